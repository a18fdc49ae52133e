"""One RQ worker of a process: takes jobs of one queue, one after the other, in its own thread.

RQ would find a killed worker's job after 90 seconds at the earliest. A lane says every few seconds
that it is alive, for a short while each time, so that the scheduler sees the silence soon.
"""

from typing import Any

import redis
from msgspec import Struct
from rq import SimpleWorker
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job as RqJob
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.timeouts import BaseDeathPenalty
from typing_extensions import override

from jobs.runtime import Job, work_at
from jobs.workshop import Workshop
from server.kernel.logs import log

_log = log("jobs")

BEAT_SECONDS = 5.0
ALIVE_SECONDS = 20
POLL_SECONDS = 2
# RQ waits for its next job for this long less 15 seconds, and forgets the lane a minute after it.
LANE_TTL_SECONDS = 30


class NoPenalty(BaseDeathPenalty):
    """The workshop ends a job whose time is over; RQ need not."""

    @override
    def setup_death_penalty(self) -> None:
        """Do nothing."""

    @override
    def cancel_death_penalty(self) -> None:
        """Do nothing."""


class Lane(SimpleWorker):
    """Takes jobs of one queue and has them done in the workshop of its process."""

    death_penalty_class = NoPenalty
    log_result_lifespan = False

    def __init__(
        self, queue: str, name: str, *, connection: redis.Redis, workshop: Workshop
    ) -> None:
        super().__init__(
            [queue],
            name=name,
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=LANE_TTL_SECONDS,
            log_job_description=False,
        )
        self._workshop = workshop
        self._job: RqJob | None = None

    def stop(self) -> None:
        """Take no further job; may be called from any thread."""
        self._stop_requested = True

    def carry_out(self, job: Job, args: Struct) -> None:
        """Have a job done, saying all the while that it is being done."""
        self._workshop.carry_out(job, args, beat=self._beat, beat_seconds=BEAT_SECONDS)

    @override
    def execute_job(self, job: RqJob, queue: Queue) -> None:
        """Do one job that was taken from the queue."""
        work_at(self)
        self._forget_lost_executions(job)
        self._job = job
        super().execute_job(job, queue)
        self._job = None

    @override
    def get_heartbeat_ttl(self, job: RqJob) -> int:
        """Say for how long a job counts as being done after its last beat."""
        return ALIVE_SECONDS

    @override
    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[RqJob, Queue] | None:
        """Wait for the next job, looking up now and then to see whether to stop."""
        while not self._stop_requested:
            found = super().dequeue_job_and_maintain_ttl(timeout, POLL_SECONDS)
            if found is not None:
                return found
        raise StopRequested

    @property
    @override
    def should_run_maintenance_tasks(self) -> bool:
        """The scheduler does them all, more often than RQ would."""
        return False

    @override
    def subscribe(self) -> None:
        """Take no commands over Redis."""

    @override
    def unsubscribe(self) -> None:
        """Nothing was subscribed to."""

    @override
    def _install_signal_handlers(self) -> None:
        """The process has its own, in its main thread."""

    @override
    def handle_exception(self, job: RqJob, *exc_info: Any) -> None:
        """Log a failed job without its arguments or its stack of locals."""
        _log.warning(
            "job_failed",
            task=job.description,
            job_id=job.id,
            error=f"{type(exc_info[1]).__name__}: {exc_info[1]}"[:300],
            retries_left=job.retries_left,
        )

    def _forget_lost_executions(self, job: RqJob) -> None:
        """Take killed attempts off a job's books, which outlive what they name by a minute.

        RQ would look for them when the job is done, and make a failure of it.
        """
        for lost in job.execution_registry.get_execution_ids():
            execution = Execution(lost, job.id, self.connection)
            if not self.connection.exists(execution.key):
                self.connection.zrem(job.execution_registry.key, lost)

    def _beat(self) -> None:
        if self._job is not None:
            self.maintain_heartbeats(self._job)
