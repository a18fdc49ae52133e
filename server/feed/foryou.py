"""The next cards of a session: the newest that it has not been given."""

import time
from uuid import UUID

from server.feed import store
from server.feed.kept import Kept
from server.feed.model import Entry, Log
from server.feed.pool import ANY_TIME, FRESH_SECONDS, OLD_SECONDS, WINDOW
from server.kernel.ids import floor_of
from server.kernel.services import Services

MOST = 2400


class ForYou:
    """Makes For You: items with a card, newest first; with `playable`, only cards with an MP4."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._kept = Kept(
            self._make, fresh_seconds=FRESH_SECONDS, old_seconds=OLD_SECONDS, time=time.monotonic
        )

    async def next(self, log: Log, count: int, *, playable: bool = False) -> list[Entry]:
        """Make up to `count` entries that follow the log; fewer when there are no more."""
        seen = log.seen()
        found = (
            Entry((item,))
            for item, ready in await self._kept.get()
            if (ready or not playable) and item not in seen
        )
        return [entry for entry, _ in zip(found, range(count), strict=False)]

    def forget(self) -> None:
        """Read anew when next asked for."""
        self._kept.forget()

    async def close(self) -> None:
        """Stop reading."""
        await self._kept.close()

    async def _make(self) -> list[tuple[UUID, bool]]:
        floor = floor_of(self._services.clock.now() - WINDOW)
        async with self._services.database.read() as db:
            return await store.cards(db, MOST, floor) or await store.cards(db, MOST, ANY_TIME)
