"""The inside of a worker process: one event loop with its services, open from job to job."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

from msgspec import Struct

from jobs.runtime import Job
from server.kernel.services import Services

Opens: TypeAlias = Callable[[], AbstractAsyncContextManager[Services]]

START_SECONDS = 60.0


class Workshop:
    """Does jobs on a loop of its own thread, several at a time.

    RQ's loops block, one thread each; the services must live in one loop that never stops, for
    their pools belong to it and the bell rings in the background.
    """

    def __init__(self, opens: Opens) -> None:
        self._opens = opens
        self._loop: asyncio.AbstractEventLoop | None = None
        self._services: Services | None = None
        self._stop: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="workshop", daemon=True)
        self._going: set[Future[None]] = set()

    def open(self) -> None:
        """Start the loop and open the services; raises what opening them raised."""
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise TimeoutError("The services did not open in time.")
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Give up what is still being done, close the services and stop the loop."""
        for future in tuple(self._going):
            future.cancel()
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_SECONDS)

    def carry_out(
        self, job: Job, args: Struct, *, beat: Callable[[], None], beat_seconds: float
    ) -> None:
        """Do a job within its time and come back; `beat` is called while it goes on."""
        if self._loop is None or self._services is None:
            raise RuntimeError("The workshop is not open.")
        future = asyncio.run_coroutine_threadsafe(self._timed(job, args), self._loop)
        self._going.add(future)
        try:
            while not wait([future], timeout=beat_seconds).done:
                beat()
            future.result()
        finally:
            self._going.discard(future)
            future.cancel()

    async def _timed(self, job: Job, args: Struct) -> None:
        if self._services is None:
            raise RuntimeError("The workshop is not open.")
        async with asyncio.timeout(job.task.timeout_seconds):
            await job.run(self._services, args)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:  # noqa: BLE001 - carried to the thread that opens
            self._failure = failure
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with self._opens() as services:
            self._services = services
            self._ready.set()
            await self._stop.wait()
