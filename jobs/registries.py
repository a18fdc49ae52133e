"""Keeps RQ's books: who was killed in the middle of a job, and whose next try has come.

RQ does this itself in its workers, but seldom, and behind a lock that a killed worker would keep
for a quarter of an hour. The scheduler, of which there is one at a time, does it every few seconds.
"""

import redis
from rq import Queue, SimpleWorker
from rq.registry import clean_registries
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer
from rq.worker_registration import clean_worker_registry

from server.kernel.queue import QUEUES


class Registries:
    """The books of all queues; its methods block, and are called in a thread."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, socket_timeout=10, health_check_interval=15)
        self._queues = [
            Queue(name, connection=self._redis, serializer=JSONSerializer) for name in QUEUES
        ]
        self._retries = RQScheduler(
            self._queues, connection=self._redis, serializer=JSONSerializer, logging_level="WARNING"
        )
        self._retries.prepare_registries(QUEUES)
        # Nobody works under this name: RQ wants a worker on whose behalf lost jobs are given up.
        self._janitor = SimpleWorker(
            self._queues,
            name="scheduler",
            connection=self._redis,
            serializer=JSONSerializer,
            prepare_for_work=False,
        )

    def enqueue_retries(self) -> None:
        """Queue the jobs whose next try has come."""
        self._retries.enqueue_scheduled_jobs()  # type: ignore[no-untyped-call]

    def clean(self) -> None:
        """Take up again what killed workers left behind."""
        for queue in self._queues:
            clean_registries(queue)
            clean_worker_registry(queue)
            queue.intermediate_queue.cleanup(self._janitor, queue)

    def close(self) -> None:
        """Close the connection."""
        self._redis.close()
