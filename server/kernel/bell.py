"""Tells the pulse process that something was committed, so that it need not wait for its poll.

NOTIFY inside the writing transactions would serialise their commits; so one connection of each
process rings for all of them, once in `REST_SECONDS` however many commit. A ring may be lost with
the process: whoever listens also polls. Who listens in the ringing process itself hears at once.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import asyncpg

from server.kernel.database import listen_url

CHANNEL = "lumen_committed"
REST_SECONDS = 0.004
RECONNECT_SECONDS = 1.0
CONNECT_SECONDS = 5.0


class Bell:
    """Rings for the commits of one process."""

    def __init__(self, url: str) -> None:
        self._url = listen_url(url)
        self._rung = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._connecting = False
        self._closed = False
        self._here: list[asyncio.Event] = []

    def ring(self) -> None:
        """Say that something was committed; never waits."""
        self._rung.set()
        for heard in self._here:
            heard.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    @contextlib.contextmanager
    def heard_here(self, heard: asyncio.Event) -> Iterator[None]:
        """Set an event at each ring of this process, without the way through PostgreSQL."""
        self._here.append(heard)
        try:
            yield
        finally:
            self._here.remove(heard)

    async def close(self) -> None:
        """Stop ringing."""
        if self._task is not None:
            # A connection that is being made is let come: broken off, asyncpg complains of it
            # to the loop. It comes or fails within its own time limit.
            if not self._connecting:
                self._task.cancel()
            self._closed = True
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while not self._closed:
            try:
                self._connecting = True
                connection = await asyncpg.connect(self._url, timeout=CONNECT_SECONDS)
            except (OSError, asyncpg.PostgresError):
                self._connecting = False
                await asyncio.sleep(0 if self._closed else RECONNECT_SECONDS)
                continue
            self._connecting = False
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._ring_through(connection)
            await asyncio.sleep(0 if self._closed else RECONNECT_SECONDS)

    async def _ring_through(self, connection: asyncpg.Connection) -> None:
        try:
            while not self._closed:
                await self._rung.wait()
                self._rung.clear()
                await connection.execute(f"notify {CHANNEL}")
                await asyncio.sleep(REST_SECONDS)
        finally:
            connection.terminate()


@contextlib.asynccontextmanager
async def listening(url: str) -> AsyncIterator[asyncio.Event]:
    """Listen for rings while the block runs; the event is set at each, and again on reconnecting.

    The listener clears the event itself before it looks for work.
    """
    heard = asyncio.Event()
    task = asyncio.get_running_loop().create_task(_listen(listen_url(url), heard))
    try:
        yield heard
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _listen(url: str, heard: asyncio.Event) -> None:
    while True:
        try:
            connection = await asyncpg.connect(url)
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(RECONNECT_SECONDS)
            continue
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _connection, lost=lost: lost.set())
        try:
            await connection.add_listener(CHANNEL, lambda *_: heard.set())
            heard.set()
            await lost.wait()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await asyncio.sleep(RECONNECT_SECONDS)
        finally:
            connection.terminate()
