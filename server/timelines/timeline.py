"""What is in a reader's Following feed: from their list in Redis where there is one, else by SQL.

Either way the answer is the same. Entries of the list and those of authors who are not written
into lists are merged, and then all of them are compared with the truth in PostgreSQL.
"""

import asyncio
import heapq
from functools import cache
from operator import attrgetter
from uuid import UUID

from msgspec import Struct
from prometheus_client import Counter
from redis.exceptions import RedisError

from server.kernel.logs import log
from server.kernel.services import Services
from server.timelines import store
from server.timelines.lists import Lists
from server.timelines.model import KEPT, TOP, Entry, Key

_log = log("timelines")
_by_key = attrgetter("key")


@cache
def reads() -> Counter:
    """Where timelines come from."""
    return Counter("timeline_reads_total", "Reads of timelines.", ("source",))


class Found(Struct, frozen=True):
    """Entries after a place, newest first, and whether these are the last."""

    entries: list[Entry]
    # Where to look on; None when nothing older is there.
    beyond: Key | None
    # How many were left out of these.
    passed: int = 0


class Timelines:
    """Reads timelines, and builds the lists of readers who have none."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.lists = Lists(services.redis, days=services.policy.timeline_days)
        # Builds that are going on in this process: whoever else wants the same one waits for it.
        self._building: dict[UUID, asyncio.Task[None]] = {}

    async def after(self, reader: UUID, before: Key, limit: int) -> Found:
        """Give the entries after a place that may be in a reader's timeline, some of them.

        Those that are not are told apart by `store.keep`.
        """
        if self._services.policy.timeline_fan_out:
            try:
                found = await self._merged(reader, before, limit)
            except RedisError as error:
                # What is lost or away is not missed: everything is in PostgreSQL as well.
                _log.warning("timeline_without_list", error=type(error).__name__)
                found = None
            if found is not None:
                return found
        reads().labels("sql").inc()
        async with self._services.database.read() as db:
            entries = await store.newest(db, reader, before, limit)
        return _cut(entries, limit)

    async def close(self) -> None:
        """Stop building."""
        for task in list(self._building.values()):
            task.cancel()
        await asyncio.gather(*self._building.values(), return_exceptions=True)

    async def _merged(self, reader: UUID, before: Key, limit: int) -> Found | None:
        part = await self.lists.read(reader, before, limit)
        if part is None:
            await self._build_once(reader)
            part = await self.lists.read(reader, before, limit)
        # Below the floor there is nothing that the list could tell.
        if part is None or (part.ended and part.horizon and not part.entries):
            return None
        reads().labels("list").inc()
        async with self._services.database.read() as db:
            pulled = await store.newest_pulled(db, reader, before, limit)
        horizon = max(part.horizon, pulled[-1].key.at if len(pulled) == limit else 0)
        merged = heapq.merge(part.entries, pulled, key=_by_key, reverse=True)
        entries = list(dict.fromkeys(each for each in merged if each.key.at > horizon))
        if horizon == 0:
            return Found(entries, None)
        # Of the time at the horizon itself there may be more: it is looked at again from there.
        return Found(entries, Key(horizon, TOP.item_id, TOP.actor_id)) if entries else None

    async def _build_once(self, reader: UUID) -> None:
        task = self._building.get(reader)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._build(reader))
            self._building[reader] = task
            task.add_done_callback(lambda _task: self._building.pop(reader, None))
        # Whoever gives up waiting leaves it to the others.
        await asyncio.shield(task)

    async def _build(self, reader: UUID) -> None:
        """Build a list from one read: first the mark, so that what comes meanwhile is not lost."""
        token = await self.lists.begin(reader)
        if token is None:
            return
        reads().labels("build").inc()
        async with self._services.database.read() as db:
            entries = await store.newest_pushed(db, reader, TOP, KEPT)
        floor = entries[-1].key.at if len(entries) == KEPT else 0
        await self.lists.finish(reader, token, entries, floor)


def _cut(entries: list[Entry], limit: int) -> Found:
    return Found(entries, entries[-1].key if len(entries) == limit else None)
