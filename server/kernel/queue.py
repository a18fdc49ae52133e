"""Work for later, by name: what a job is called, what it takes, and how it is put in a queue.

Nothing here imports `jobs`: a task is a name and an argument type, and a test compares both with
what the workers offer. Arguments travel as JSON; a lost queue is filled again by sweeps.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

QUEUES = ("ingest", "embed", "mail", "media", "cards", "films")


class Task(Struct, frozen=True):
    """A kind of job."""

    name: str
    queue: str
    args: type[Struct]
    timeout_seconds: int = 60
    retry_seconds: tuple[int, ...] = (1, 5, 30)
    # Goes before what waits already: readers wait for it.
    at_front: bool = False


class Depth(Struct, frozen=True):
    """How a queue stands: jobs that wait, and jobs that failed for good."""

    waiting: int
    failed: int


class JobQueue(Protocol):
    """Takes jobs; the same job id is queued once, until it is done."""

    async def enqueue(self, task: Task, args: Struct, *, job_id: str) -> bool:
        """Queue a job; False when one of this id is already waiting or running."""
        ...

    async def enqueue_many(self, task: Task, jobs: Sequence[tuple[str, Struct]]) -> int:
        """Queue (job id, arguments) in one round trip; says how many were new."""
        ...

    async def depths(self) -> dict[str, Depth]:
        """Say how every queue stands."""
        ...
