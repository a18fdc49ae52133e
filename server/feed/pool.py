"""What slides are made of, the same for every reader: read from the database every few seconds."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from prometheus_client import Gauge, Histogram

from server.feed import store
from server.feed.kept import Kept
from server.kernel.ids import floor_of
from server.kernel.services import Services
from server.ranking import Candidate, Pool, pool_of

FEATURED_KINDS = ("ARTICLE", "VIDEO", "AUDIO")
NEWEST = {"ARTICLE": 700, "VIDEO": 300, "AUDIO": 200, "TWEET": 200, "COMMENT": 200}
# An id's time is when Lumen first saw the item: older partitions are not even looked into.
WINDOW = timedelta(days=45)
FRESH_SECONDS = 5.0
OLD_SECONDS = 60.0
ANY_TIME = UUID(int=0)

featured_now = Gauge("feed_pool_featured", "Items that may be featured on a slide now.")
making_seconds = Histogram("feed_pool_duration_seconds", "Time to read and choose the pool.")


class NewsPool:
    """The pool of candidates of this process."""

    def __init__(self, services: Services, *, expect: Callable[[Sequence[UUID]], None]) -> None:
        self._services = services
        # Told what may be featured soon.
        self._expect = expect
        self._kept = Kept(
            self._make, fresh_seconds=FRESH_SECONDS, old_seconds=OLD_SECONDS, time=time.monotonic
        )

    async def get(self) -> Pool:
        """Give the pool."""
        return await self._kept.get()

    def forget(self) -> None:
        """Read it anew when it is next asked for."""
        self._kept.forget()

    async def close(self) -> None:
        """Stop reading."""
        await self._kept.close()

    async def _make(self) -> Pool:
        with making_seconds.time():
            pool = await self._made()
        featured_now.set(len(pool.featured))
        self._expect([each.id for each in pool.featured])
        return pool

    async def _made(self) -> Pool:
        now = self._services.clock.now()
        found = await self._newest(now)
        featured = [each for each in found if each.kind in FEATURED_KINDS]
        return pool_of(featured, found, at=now)

    async def _newest(self, now: datetime) -> list[Candidate]:
        async with self._services.database.read() as db:
            # A house where nothing came for weeks still has a feed.
            return await store.newest(db, NEWEST, floor_of(now - WINDOW)) or await store.newest(
                db, NEWEST, ANY_TIME
            )
