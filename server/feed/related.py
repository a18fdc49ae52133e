"""What lies near featured items: asked of the database once for a page, kept for ten minutes."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from prometheus_client import Counter

from server import items
from server.feed.store import EMBEDDING_MODEL
from server.items import Listed, Near
from server.kernel.services import Services
from server.ranking import Candidate, Neighbour, Neighbourhood

NEAR = timedelta(days=14)
WIDE = timedelta(days=30)
MOST = 40
# With fewer than this the rules often cannot be kept: the window is widened at once.
ENOUGH = 12
KEPT = 1000
KEPT_SECONDS = 600.0

shortages = Counter("feed_related_shortages_total", "Searches that found too few neighbours.")


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

    async def of(self, ids: Sequence[UUID]) -> dict[UUID, Neighbourhood]:
        """Give the neighbourhoods of these items, asking once for all that are not known."""
        found = {each: known for each in ids if (known := self._get(each)) is not None}
        wanted = [each for each in ids if each not in found and each not in self._asked]
        if wanted:
            asking = asyncio.create_task(self._ask(wanted))
            self._asked |= dict.fromkeys(wanted, asking)
            asking.add_done_callback(lambda task: self._answered(wanted, task))
        for task in {self._asked[each] for each in ids if each not in found}:
            answer = await asyncio.shield(task)
            found |= {each: answer[each] for each in ids if each in answer}
        return found

    def forget(self) -> None:
        """Ask anew for everything: something was retracted."""
        self._known.clear()

    async def close(self) -> None:
        """Stop asking."""
        asked = set(self._asked.values())
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    def _get(self, item: UUID) -> Neighbourhood | None:
        kept = self._known.get(item)
        if kept is None or self._time() - kept[0] > KEPT_SECONDS:
            return None
        self._known.move_to_end(item)
        return kept[1]

    def _answered(
        self, wanted: Iterable[UUID], task: asyncio.Task[dict[UUID, Neighbourhood]]
    ) -> None:
        for each in wanted:
            self._asked.pop(each, None)
        if task.cancelled() or task.exception() is not None:
            return
        now = self._time()
        for each, neighbourhood in task.result().items():
            self._known[each] = (now, neighbourhood)
            self._known.move_to_end(each)
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    async def _ask(self, ids: Sequence[UUID]) -> dict[UUID, Neighbourhood]:
        now = self._services.clock.now()
        found = await self._near(ids, now - NEAR)
        short = [each for each in ids if len(found[each]) < ENOUGH]
        if short:
            shortages.inc(len(short))
            found |= await self._near(short, now - WIDE)
        return {each: neighbourhood_of(rows) for each, rows in found.items()}

    async def _near(self, ids: Sequence[UUID], since: datetime) -> dict[UUID, list[Near]]:
        async with self._services.database.read() as db:
            return await items.near(db, EMBEDDING_MODEL, ids, since=since, most=MOST)


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
