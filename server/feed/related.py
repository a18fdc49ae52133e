"""What lies near featured items: asked of the database once for a page, kept for ten minutes.

What the pool holds is asked for ahead, a few at a time, so that a page seldom has to wait.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from prometheus_client import Counter, Gauge
from sqlalchemy.exc import SQLAlchemyError

from server import items
from server.items import Listed, Near
from server.kernel.logs import log
from server.kernel.services import Services
from server.ranking import Candidate, Neighbour, Neighbourhood

NEAR = timedelta(days=14)
WIDE = timedelta(days=30)
MOST = 32
# With fewer than this the rules often cannot be kept: the window is widened at once.
ENOUGH = 12
KEPT = 1000
KEPT_SECONDS = 600.0
# What is so old is asked for again ahead of time, if the pool still holds it.
OLD_SECONDS = 300.0
# Readers who wait come first.
AHEAD_AFTER_SECONDS = 1.0
AHEAD_AT_ONCE = 8
AHEAD_REST_SECONDS = 0.1

_log = log("feed")
shortages = Counter("feed_related_shortages_total", "Searches that found too few neighbours.")
asked_for = Counter("feed_related_asked_total", "Neighbourhoods asked of the database.")
kept_now = Gauge("feed_related_kept", "Neighbourhoods that this process keeps.")
let_go = Counter("feed_related_let_go_total", "Neighbourhoods given up: too many were kept.")


class Related:
    """The neighbourhoods that this process knows, the least recently used given up first."""

    def __init__(
        self, services: Services, *, most: int = KEPT, time: Callable[[], float] = time.monotonic
    ) -> None:
        self._services = services
        self._most = most
        self._time = time
        self._known: OrderedDict[UUID, tuple[float, Neighbourhood]] = OrderedDict()
        self._asked: dict[UUID, asyncio.Task[dict[UUID, Neighbourhood]]] = {}
        # Counts up when something is forgotten: an answer that was on its way may hold it still.
        self._generation = 0
        self._ahead: list[UUID] = []
        self._asking_ahead: asyncio.Task[None] | None = None

    async def of(self, ids: Sequence[UUID]) -> dict[UUID, Neighbourhood]:
        """Give the neighbourhoods of these items, asking once for all that are not known."""
        found = {each: known for each in ids if (known := self._get(each)) is not None}
        wanted = [each for each in ids if each not in found and each not in self._asked]
        if wanted:
            self._begin(wanted)
        for task in {self._asked[each] for each in ids if each not in found}:
            answer = await asyncio.shield(task)
            found |= {each: answer[each] for each in ids if each in answer}
        return found

    def expect(self, ids: Sequence[UUID]) -> None:
        """Ask for these ahead of time, in this order, instead of what was expected before."""
        self._ahead = list(ids[: self._most])
        if self._asking_ahead is None:
            self._asking_ahead = asyncio.create_task(self._ask_ahead())
            self._asking_ahead.add_done_callback(self._asked_ahead)

    def forget(self, gone: Collection[UUID] | None = None) -> None:
        """Forget every neighbourhood that one of these is in, or all of them."""
        self._generation += 1
        if gone is None:
            self._known.clear()
            return
        stale = [
            featured
            for featured, (_, known) in self._known.items()
            if featured in gone or any(each.candidate.id in gone for each in known.members)
        ]
        for featured in stale:
            del self._known[featured]

    async def close(self) -> None:
        """Stop asking."""
        tasks: set[asyncio.Task[Any]] = set(self._asked.values())
        if self._asking_ahead is not None:
            tasks.add(self._asking_ahead)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask_ahead(self) -> None:
        await asyncio.sleep(AHEAD_AFTER_SECONDS)
        while self._ahead:
            now = self._time()
            wanted: list[UUID] = []
            while self._ahead and len(wanted) < AHEAD_AT_ONCE:
                each = self._ahead.pop(0)
                kept = self._known.get(each)
                if each not in self._asked and (kept is None or now - kept[0] > OLD_SECONDS):
                    wanted.append(each)
            if wanted:
                try:
                    await self._begin(wanted)
                except (OSError, SQLAlchemyError) as error:
                    # Whoever needs it will ask, and be told what is wrong.
                    _log.warning("neighbours_not_read", error=type(error).__name__)
                    return
                await asyncio.sleep(AHEAD_REST_SECONDS)

    def _asked_ahead(self, _task: "asyncio.Task[None]") -> None:
        self._asking_ahead = None

    def _begin(self, wanted: Sequence[UUID]) -> "asyncio.Task[dict[UUID, Neighbourhood]]":
        asking = asyncio.create_task(self._ask(wanted))
        self._asked |= dict.fromkeys(wanted, asking)
        generation = self._generation
        asking.add_done_callback(lambda task: self._answered(wanted, task, generation))
        return asking

    def _get(self, item: UUID) -> Neighbourhood | None:
        kept = self._known.get(item)
        if kept is None or self._time() - kept[0] > KEPT_SECONDS:
            return None
        self._known.move_to_end(item)
        return kept[1]

    def _answered(
        self,
        wanted: Iterable[UUID],
        task: "asyncio.Task[dict[UUID, Neighbourhood]]",
        generation: int,
    ) -> None:
        for each in wanted:
            self._asked.pop(each, None)
        if task.cancelled() or task.exception() is not None or generation != self._generation:
            return
        now = self._time()
        for each, neighbourhood in task.result().items():
            self._known[each] = (now, neighbourhood)
            self._known.move_to_end(each)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
            let_go.inc()
        kept_now.set(len(self._known))

    async def _ask(self, ids: Sequence[UUID]) -> dict[UUID, Neighbourhood]:
        asked_for.inc(len(ids))
        now = self._services.clock.now()
        found = await self._near(ids, now - NEAR)
        short = [each for each in ids if len(found[each]) < ENOUGH]
        if short:
            shortages.inc(len(short))
            found |= await self._near(short, now - WIDE)
        return {each: neighbourhood_of(rows) for each, rows in found.items()}

    async def _near(self, ids: Sequence[UUID], since: datetime) -> dict[UUID, list[Near]]:
        async with self._services.database.read() as db:
            return await items.near(db, items.EMBEDDING_MODEL, ids, since=since, most=MOST)


def neighbourhood_of(found: Sequence[Near]) -> Neighbourhood:
    """Put together what is near an item, and how near its neighbours are to one another."""
    return Neighbourhood(
        tuple(Neighbour(_candidate(near.item), near.similarity) for near in found),
        items.cosines([near.packed for near in found]),
    )


def _candidate(item: Listed) -> Candidate:
    return Candidate(
        id=item.id,
        kind=item.kind,
        maker=str(item.source_id or item.author_id or item.id),
        story=item.story_id,
        category=item.category,
        sort_at=item.sort_at,
        thread=item.target_id if item.kind == "COMMENT" else None,
    )
