"""Folds waiting deltas into counters, and tells who watches.

The leading edge is folded at once; then an item rests, so that its counters move at most ten
times a second however fast the likes come (rulings 1). One process folds at a time, by lease; two
at once would do no harm, but would move counters oftener than screens can use.
"""

import asyncio
import time
from collections.abc import Collection
from datetime import timedelta
from functools import cache
from uuid import UUID, uuid4

from prometheus_client import Counter, Histogram
from sqlalchemy.exc import SQLAlchemyError

from realtime import PublishFailed
from server.engagement import counters
from server.engagement.model import ItemCounts, Moved, Pace
from server.kernel import leases
from server.kernel.database import Db
from server.kernel.logs import log
from server.kernel.relay import wait_for
from server.kernel.services import Services

TOPIC = "counters"
EVENT = "changed"
# Told when a folder takes over: the one before it may have died before it could tell.
MISSED_EVENT = "missed"
# Polls are told apart: who may see their votes is for each screen to say.
POLLS_TOPIC = "polls"
VOTED_EVENT = "voted"
ITEM_REST_SECONDS = 0.1
# What comes within so short a time is folded together; nobody sees the difference.
REST_SECONDS = 0.005
POLL_SECONDS = 0.2
MOST_DELTAS = 5_000
# Past so many resting items, folding waits for the first of them: screens are then a little
# staler, and the list that is sent to the database stays short.
MOST_COOLING = 10_000

# Deleted rows stay in the way of every like until they are swept; the server's own sweeping comes
# once a minute at best, when a hot item has left a hundred thousand of them.
SWEEP_SECONDS = 5.0

LEASE = "fold"
# A dead holder is replaced within two seconds: its span, and the pause between two tries.
LEASE_SPAN = timedelta(seconds=1.5)
RENEW_SECONDS = 0.4
ERROR_REST_SECONDS = 0.5

_log = log("fold")


class Numbers:
    """What a process that folds counts; others do not show it, not even as zero."""

    def __init__(self) -> None:
        self.moved = Counter("counters_folded_total", "Times that an item's counters moved.")
        self.seconds = Histogram("counter_fold_duration_seconds", "Time of one fold.")
        self.held_back = Counter(
            "counter_folds_held_back_total", "Folds that waited for resting items."
        )
        self.untold = Counter("counters_untold_total", "Changes that could not be published.")


_numbers = cache(Numbers)


async def fold_once(
    db: Db, cooling: Collection[UUID] = (), limit: int = MOST_DELTAS
) -> list[ItemCounts]:
    """Fold the deltas of items that do not rest; gives the items whose counters moved."""
    return (await counters.fold(db, cooling, limit)).items


async def fold_forever(services: Services, heard: asyncio.Event) -> None:
    """Fold for as long as the task lives, woken by the bell and by the poll."""
    folder = Folder(services)
    try:
        while True:
            heard.clear()
            rest = await _turn(folder)
            await asyncio.sleep(REST_SECONDS)
            await wait_for(heard, rest)
    finally:
        await folder.retire()


async def _turn(folder: "Folder") -> float:
    try:
        return await folder.turn(time.monotonic())
    except (OSError, SQLAlchemyError) as error:
        # The deltas wait in the database; so does the folder, until it answers again.
        _log.warning("fold_failed", error=type(error).__name__)
        return ERROR_REST_SECONDS


class Folder:
    """One process's share in folding: whether it holds the lease, and which items rest."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._numbers = _numbers()
        self._pace = Pace(ITEM_REST_SECONDS)
        self._holder = uuid4()
        self._renew_at = 0.0
        self._sweep_at = 0.0
        self._holds = False

    async def turn(self, now: float) -> float:
        """Fold what can be folded and say in how many seconds to look again, unless woken."""
        if not await self._hold(now):
            return RENEW_SECONDS
        cooling = self._pace.cooling(now)
        if len(cooling) >= MOST_COOLING:
            self._numbers.held_back.inc()
        else:
            await self._fold(cooling, now)
        due = self._pace.next_after(now)
        return POLL_SECONDS if due is None else min(POLL_SECONDS, due)

    async def retire(self) -> None:
        """Give the lease up, so that the next folder need not wait for its end."""
        if not self._holds:
            return
        try:
            async with asyncio.timeout(1), self._services.database.begin() as db:
                await leases.give_up(db, LEASE, self._holder)
        except (OSError, SQLAlchemyError):
            _log.warning("lease_not_given_up", lease=LEASE)

    async def _hold(self, now: float) -> bool:
        if now >= self._renew_at:
            async with self._services.database.begin() as db:
                held = await leases.take(db, LEASE, self._holder, LEASE_SPAN)
            self._renew_at = now + RENEW_SECONDS
            if held and not self._holds:
                await self._tell(MISSED_EVENT, {})
            self._holds = held
        return self._holds

    async def _fold(self, cooling: Collection[UUID], now: float) -> None:
        with self._numbers.seconds.time():
            async with self._services.database.begin() as db:
                moved = await counters.fold(db, cooling, MOST_DELTAS)
        if not moved.items and not moved.polls:
            return
        ids = [*(each.id for each in moved.items), *(each.id for each in moved.polls)]
        self._pace.moved(ids, now)
        self._numbers.moved.inc(len(moved.items) + len(moved.polls))
        await self._tell_moved(moved)
        if now >= self._sweep_at:
            async with self._services.database.read() as db:
                await counters.sweep(db)
            self._sweep_at = now + SWEEP_SECONDS

    async def _tell_moved(self, moved: Moved) -> None:
        # Screens read the counters of what they show again after an outage.
        if moved.items and not await self._tell(EVENT, {"items": moved.items}):
            self._numbers.untold.inc(len(moved.items))
        if moved.polls and not await self._tell(VOTED_EVENT, {"polls": moved.polls}, POLLS_TOPIC):
            self._numbers.untold.inc(len(moved.polls))

    async def _tell(self, event: str, payload: object, topic: str = TOPIC) -> bool:
        try:
            await self._services.publisher.broadcast(topic, event, payload)
        except PublishFailed:
            return False
        return True
