"""A worker process: lanes for each of its queues, started together and stopped together."""

import signal
import socket
import threading
import time
from collections.abc import Sequence
from types import FrameType
from uuid import uuid4

import redis

from jobs.catalog import load
from jobs.lane import Lane
from jobs.workshop import Opens, Workshop
from server.kernel.logs import log

# Fetching is mostly waiting, so many feeds at a time; embedding and rendering fill a core each.
LANES = {"ingest": 12, "embed": 1, "mail": 1, "media": 1, "cards": 1, "films": 2}
GRACE_SECONDS = 20.0
RESTART_SECONDS = 1.0

_log = log("jobs")


class Worker:
    """Runs the lanes of one process until it is told to stop."""

    def __init__(self, redis_url: str, queues: Sequence[str], opens: Opens) -> None:
        self._redis_url = redis_url
        self._queues = [name for name in dict.fromkeys(queues) for _ in range(LANES[name])]
        self._workshop = Workshop(opens)
        self._stopping = threading.Event()
        self._lanes: dict[int, Lane] = {}

    def run(self) -> None:
        """Work until `stop`; what is being done then may take `GRACE_SECONDS` more."""
        load(dict.fromkeys(self._queues))
        self._workshop.open()
        threads = [
            threading.Thread(target=self._keep_lane, args=(at, queue), name=f"{queue}-{at}")
            for at, queue in enumerate(self._queues)
        ]
        for thread in threads:
            thread.start()
        _log.info("worker_started", queues=sorted(set(self._queues)), lanes=len(threads))
        self._stopping.wait()
        deadline = time.monotonic() + GRACE_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._workshop.close()
        for thread in threads:
            thread.join()
        _log.info("worker_stopped")

    def stop(self) -> None:
        """Let every lane finish its job and take no other."""
        self._stopping.set()
        for lane in tuple(self._lanes.values()):
            lane.stop()

    def _keep_lane(self, at: int, queue: str) -> None:
        """Run a lane, and another in its place whenever Redis made it give up."""
        while not self._stopping.is_set():
            try:
                self._run_lane(at, queue)
            except redis.RedisError as error:
                _log.warning("lane_lost", queue=queue, error=type(error).__name__)
            self._stopping.wait(RESTART_SECONDS)

    def _run_lane(self, at: int, queue: str) -> None:
        connection = redis.Redis.from_url(self._redis_url, health_check_interval=15)
        try:
            name = f"{socket.gethostname()}-{queue}-{uuid4().hex[:12]}"
            lane = Lane(queue, name, connection=connection, workshop=self._workshop)
            self._lanes[at] = lane
            if self._stopping.is_set():
                return
            lane.work(logging_level="WARNING")
        finally:
            connection.close()


def until_told(worker: Worker) -> None:
    """Run a worker until SIGTERM or SIGINT."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        worker.stop()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    worker.run()
