"""Whose access tokens count no longer, though they have not ended: asked at every request.

An access token is believed without a look at the database for a quarter of an hour. Whoever was
suspended within that time is known by name to every web process; older tokens have ended anyway.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

from msgspec import Struct
from sqlalchemy.exc import SQLAlchemyError

from realtime import Broadcast, Endpoint
from server.kernel.services import Services
from server.kernel.viewer import VISITOR, Viewer
from server.moderation import store

# Told between nodes; no client can join it.
TOPIC = "bar"
BARRED, LET_IN = "barred", "let_in"


class Named(Struct, frozen=True):
    """Whom it is about."""

    user_id: UUID


class Bar:
    """The people whose tokens count no longer in this process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._barred: frozenset[UUID] = frozenset()
        self._reading: asyncio.Task[None] | None = None

    def let(self, viewer: Viewer) -> Viewer:
        """Give the viewer back; whoever is suspended is a visitor, whatever their token says."""
        return VISITOR if viewer.id in self._barred else viewer

    def on_told(self, broadcast: Broadcast) -> None:
        """Hear who is suspended, and who no longer is."""
        named = broadcast.decode(Named).user_id
        if broadcast.event == BARRED:
            self._barred |= {named}
        else:
            self._barred -= {named}

    def reread(self) -> None:
        """Read who is barred once more: something may not have been heard."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self.read())

    async def read(self) -> None:
        """Read who was suspended while tokens that are still good were made."""
        good = timedelta(seconds=self._services.policy.access_token_seconds)
        since = self._services.clock.now() - good
        with contextlib.suppress(OSError, TimeoutError, SQLAlchemyError):
            async with self._services.database.read() as db:
                self._barred = frozenset(await store.suspended_since(db, since))

    async def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)


def let(services: Services, viewer: Viewer) -> Viewer:
    """Ask the bar of this process; without one, everybody is who they are."""
    bar: Bar | None = services.parts.get(Bar)
    return viewer if bar is None else bar.let(viewer)


@contextlib.asynccontextmanager
async def running(services: Services, endpoint: Endpoint) -> AsyncIterator[Bar]:
    """Refuse suspended people in this process while the block runs."""
    bar = Bar(services)
    services.parts[Bar] = bar
    detach = [endpoint.subscribe(TOPIC, bar.on_told), endpoint.on_gap(bar.reread)]
    # Once subscribed, so that nobody is suspended in between unheard.
    await bar.read()
    try:
        yield bar
    finally:
        for stop in detach:
            stop()
        await bar.close()
        del services.parts[Bar]
