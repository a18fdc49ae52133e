"""What a job is to the workers: an async function, found by the name of its task.

A job's module says so with `@job(TASK)`; RQ calls `perform` with the name and the arguments as
JSON. The function gets the services of its process, which stay open from job to job, and its
arguments as the struct that the task names. It may be run twice, or anew after it was killed, so
what it stores must be the same the second time.
"""

import threading
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from server.kernel.queue import Task
from server.kernel.services import Services

Args = TypeVar("Args", bound=Struct)
Run: TypeAlias = Callable[[Services, Args], Awaitable[None]]


class Job(Struct, frozen=True):
    """A task together with the function that does it."""

    task: Task
    run: Run[Any]


class Bench(Protocol):
    """Where a lane of this process has its jobs done."""

    def carry_out(self, job: Job, args: Struct) -> None:
        """Do a job and come back when it is done; raises what it raised."""
        ...


_jobs: dict[str, Job] = {}
_here = threading.local()


def job(task: Task) -> Callable[[Run[Args]], Run[Args]]:
    """Say that the decorated function does this task."""

    def register(run: Run[Args]) -> Run[Args]:
        known = _jobs.get(task.name)
        if known is not None and known.run.__qualname__ != run.__qualname__:
            raise ValueError(f"Two functions want to do {task.name!r}.")
        _jobs[task.name] = Job(task, run)
        return run

    return register


def registered() -> dict[str, Job]:
    """Give every job whose module was imported, by the name of its task."""
    return dict(_jobs)


def work_at(bench: Bench) -> None:
    """Let the jobs that RQ hands to this thread be done at a bench."""
    _here.bench = bench


def perform(name: str, args: dict[str, Any]) -> None:
    """Do one job; RQ calls this by its name, in a thread that stands at a bench."""
    found = _jobs.get(name)
    if found is None:
        raise LookupError(f"No job of this worker is called {name!r}.")
    bench: Bench = _here.bench
    bench.carry_out(found, msgspec.convert(args, found.task.args))
