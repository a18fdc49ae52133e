"""The job queue over RQ: jobs are one function's name, a task's name and JSON.

RQ speaks to Redis by blocking, so each call takes a thread. A job that has failed for good keeps
its id, and its place among the dead letters, for `DEAD_SECONDS`; a sweep that wants it again before
that gets `False`, so that a poisoned job cannot keep the workers busy.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import redis
from msgspec import Struct
from rq import Queue, Retry
from rq.exceptions import DuplicateJobError, InvalidJobOperation, NoSuchJobError
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry, ScheduledJobRegistry
from rq.serializers import JSONSerializer
from typing_extensions import override

from server.kernel.queue import QUEUES, Depth, JobQueue, Task

FUNCTION = "jobs.runtime.perform"
DEAD_SECONDS = 600
SILENT_SECONDS = 300
# A job that nobody took for so long is forgotten; the sweeps derive it again if it still matters.
QUEUED_SECONDS = 3600
DEAD_LETTER_SECONDS = 7 * 86400


class DeadJob(Struct, frozen=True):
    """A job that failed as often as it may."""

    id: str
    queue: str
    task: str
    error: str
    at: datetime | None


class RqQueue(JobQueue):
    """Puts jobs into Redis for the workers."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(
            url, socket_timeout=10, socket_connect_timeout=5, health_check_interval=15
        )
        self._queues = {
            name: Queue(name, connection=self._redis, serializer=JSONSerializer) for name in QUEUES
        }

    @override
    async def enqueue(self, task: Task, args: Struct, *, job_id: str) -> bool:
        """Queue a job; False when one of this id is already waiting or running."""
        return await self.enqueue_many(task, [(job_id, args)]) == 1

    @override
    async def enqueue_many(self, task: Task, jobs: Sequence[tuple[str, Struct]]) -> int:
        """Queue (job id, arguments) in one hop; says how many were new."""
        if not jobs:
            return 0
        return await asyncio.to_thread(self._put_all, task, jobs)

    @override
    async def depths(self) -> dict[str, Depth]:
        """Say how every queue stands."""
        return await asyncio.to_thread(
            lambda: {name: _depth(queue) for name, queue in self._queues.items()}
        )

    async def dead(self, most: int = 100) -> list[DeadJob]:
        """List jobs that failed for good, the latest first."""
        return await asyncio.to_thread(self._dead, most)

    async def revive(self) -> int:
        """Queue every dead job again; says how many."""
        return await asyncio.to_thread(self._revive)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _put_all(self, task: Task, jobs: Sequence[tuple[str, Struct]]) -> int:
        return sum(self._put(task, job_id, args) for job_id, args in jobs)

    def _put(self, task: Task, job_id: str, args: Struct) -> bool:
        try:
            self._push(task, job_id, args)
        except DuplicateJobError:
            if not self._may_replace(job_id):
                return False
            return self._put_again(task, job_id, args)
        return True

    def _put_again(self, task: Task, job_id: str, args: Struct) -> bool:
        try:
            self._push(task, job_id, args)
        except DuplicateJobError:
            return False
        return True

    def _push(self, task: Task, job_id: str, args: Struct) -> None:
        pauses = list(task.retry_seconds)
        self._queues[task.queue].enqueue_call(
            FUNCTION,
            args=(task.name, msgspec.to_builtins(args)),
            timeout=task.timeout_seconds,
            result_ttl=0,
            ttl=QUEUED_SECONDS,
            failure_ttl=DEAD_LETTER_SECONDS,
            description=task.name,
            job_id=job_id,
            retry=Retry(len(pauses), pauses) if pauses else None,
            unique=True,
            at_front=task.at_front,
        )

    def _may_replace(self, job_id: str) -> bool:
        """Clear away a job of this id that is dead or lost; False while it is alive."""
        try:
            job = Job.fetch(job_id, connection=self._redis, serializer=JSONSerializer)
        except NoSuchJobError:
            return True
        if not _over(job):
            return False
        job.delete()
        return True

    def _dead(self, most: int) -> list[DeadJob]:
        found = [
            _dead_job(job)
            for queue in self._queues.values()
            for job in Job.fetch_many(
                FailedJobRegistry(queue=queue).get_job_ids(0, most - 1, desc=True),
                connection=self._redis,
                serializer=JSONSerializer,
            )
            if job is not None
        ]
        oldest = datetime.min.replace(tzinfo=UTC)
        return sorted(found, key=lambda job: job.at or oldest, reverse=True)[:most]

    def _revive(self) -> int:
        revived = 0
        for queue in self._queues.values():
            registry = FailedJobRegistry(queue=queue)
            for job_id in registry.get_job_ids():
                try:
                    registry.requeue(job_id)
                except (NoSuchJobError, InvalidJobOperation):
                    continue
                revived += 1
        return revived


def _over(job: Job) -> bool:
    """Whether a job is dead for long enough, or has not been heard of for too long."""
    now = datetime.now(UTC)
    status = job.get_status(refresh=False)
    if status is JobStatus.FAILED:
        return now - (job.ended_at or _EPOCH) > timedelta(seconds=DEAD_SECONDS)
    if status is JobStatus.STARTED:
        return now - (job.last_heartbeat or _EPOCH) > timedelta(seconds=SILENT_SECONDS)
    if status is JobStatus.SCHEDULED:
        retries = ScheduledJobRegistry(job.origin, connection=job.connection)  # type: ignore[no-untyped-call]
        return job.id not in retries
    # A job that waits is forgotten by Redis in time; one that finished is deleted, and what is left
    # of one is the remains of a Redis that was flushed in the middle of it.
    return status is not JobStatus.QUEUED


_EPOCH = datetime.fromtimestamp(0, UTC)


def _depth(queue: Queue) -> Depth:
    return Depth(
        waiting=queue.count, failed=FailedJobRegistry(queue=queue).get_job_count(cleanup=False)
    )


def _dead_job(job: Job) -> DeadJob:
    result = job.latest_result()
    error = (result.exc_string if result else None) or ""
    return DeadJob(
        id=job.id,
        queue=job.origin or "",
        task=str(job.description),
        error=error.strip().rsplit("\n", 1)[-1][:300],
        at=job.ended_at,
    )
