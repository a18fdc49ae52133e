"""What readers have seen, written to the database in batches behind their backs."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterable
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

from server import items
from server.feed import store
from server.feed.cursor import Cursor
from server.feed.store import Impression
from server.kernel.logs import log as log_of
from server.kernel.services import Services

# Waiting impressions are bounded: past this, the oldest are given up. What is lost by it is only
# the knowledge of what not to repeat after Redis has lost a ledger as well.
MOST_WAITING = 20_000
BATCH = 2_000
FLUSH_SECONDS = 1.0
MOST_SEEN = 2_400

_log = log_of("impressions")
written = Counter("feed_impressions_written_total", "Impressions written.")
dropped = Counter("feed_impressions_dropped_total", "Impressions given up: too many waited.")


class Impressions:
    """Buffers impressions, and knows those that are not written yet as well."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._waiting: OrderedDict[tuple[UUID, UUID], Impression] = OrderedDict()
        self._task: asyncio.Task[None] | None = None
        self._full = asyncio.Event()

    def start(self) -> None:
        """Begin to write, in the background."""
        self._task = asyncio.create_task(self._run())

    def note(self, place: Cursor, seq: int, ids: Iterable[UUID]) -> None:
        """Note that the items at one seq of a session were seen."""
        for item in ids:
            each = Impression(place.session, item, place.owner, place.feed, seq)
            self._waiting.setdefault((place.session, item), each)
        while len(self._waiting) > MOST_WAITING:
            self._waiting.popitem(last=False)
            dropped.inc()
        if len(self._waiting) >= BATCH:
            self._full.set()

    async def seen(self, session: UUID) -> frozenset[UUID]:
        """Give the items that a session has seen."""
        waiting = frozenset(item for of, item in self._waiting if of == session)
        async with self._services.database.read() as db:
            return waiting | await store.seen(db, session, MOST_SEEN)

    async def flush(self) -> None:
        """Write what waits."""
        while self._waiting:
            batch = [
                self._waiting[key] for key, _ in zip(self._waiting, range(BATCH), strict=False)
            ]
            async with self._services.database.begin() as db:
                await store.note(db, batch)
                await items.shown(db, {each.item for each in batch}, self._services.clock.now())
            written.inc(len(batch))
            for each in batch:
                self._waiting.pop((each.session, each.item), None)
        self._full.clear()

    async def close(self) -> None:
        """Write what waits, and stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(OSError, SQLAlchemyError):
            await self.flush()

    async def _run(self) -> None:
        """Write every second, and sooner when a batch is full."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), FLUSH_SECONDS)
            try:
                await self.flush()
            except (OSError, SQLAlchemyError) as error:
                _log.warning("impressions_not_written", error=type(error).__name__)
                await asyncio.sleep(FLUSH_SECONDS)
