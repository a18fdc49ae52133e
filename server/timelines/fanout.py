"""Writes what people bring into their followers' lists, a thousand at a time, and takes it out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import cache
from uuid import UUID

from prometheus_client import Counter, Histogram
from redis.exceptions import ResponseError
from sqlalchemy import text

from server import graph
from server.kernel.database import Db
from server.kernel.logs import log
from server.kernel.services import Services
from server.timelines import modes, store
from server.timelines.lists import Lists
from server.timelines.model import KEPT, TOP, Entry

_log = log("timelines")
CHUNK = 1_000
IN_FLIGHT = 100

_HOLD = text("select 1 from content.users where id = :id for no key update")
_WANTED = text(
    """
    select exists (select from content.follows where follower_id = :reader and followee_id = :actor)
      and not exists (select from content.mutes where user_id = :reader and target_id = :actor)
    """
)


@cache
def pushes() -> Counter:
    """How much is written, of what was tried: shown by the process that writes."""
    return Counter("timeline_pushes_total", "Entries written into lists of timelines.")


@cache
def seconds() -> Histogram:
    """How long one entry takes to be in all lists."""
    return Histogram("timeline_fan_out_seconds", "Time to write an entry into all lists.")


class FanOut:
    """Writes to lists, at most so many chunks at once however many entries come."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.lists = Lists(services.redis, days=services.policy.timeline_days)
        self._width = asyncio.Semaphore(IN_FLIGHT)

    async def push(self, entry: Entry) -> None:
        """Write an entry to everybody who is to have it; repeated, it changes nothing."""
        if not self._services.policy.timeline_fan_out:
            await self.lists.disown()
            return
        async with self._services.database.read() as db:
            mode = await modes.mode_of(db, entry.actor_id)
        if mode == "pull":
            return
        with seconds().time():
            await self._each_chunk(entry.actor_id, lambda ids: self._push(ids, entry))

    async def remove(self, entry: Entry) -> None:
        """Take an entry out of every list that may have it."""
        if self._services.policy.timeline_fan_out:
            await self._each_chunk(entry.actor_id, lambda ids: self.lists.remove(ids, entry))

    async def refill(self, actor: UUID) -> None:
        """Write what was not written of an author while everybody merged it in."""
        if not self._services.policy.timeline_fan_out:
            await self.lists.disown()
            return
        async with self._services.database.read() as db:
            entries, floor = await _recent(db, actor)
        await self._each_chunk(actor, lambda ids: self.lists.fill(ids, entries, floor))

    async def settle(self, reader: UUID, actor: UUID) -> None:
        """Bring what one reader's list holds of one person to what is between them now.

        The reader is held for it: were they to follow at the same time, what that wrote could be
        taken out by what an earlier unfollow still had to do.
        """
        async with self._services.database.begin() as db:
            await db.execute(_HOLD, {"id": reader})
            wanted = (await db.execute(_WANTED, {"reader": reader, "actor": actor})).scalar_one()
            if not wanted:
                await self.lists.remove_actor(reader, actor)
            elif not self._services.policy.timeline_fan_out:
                await self.lists.disown()
            elif await modes.mode_of(db, actor) != "pull":
                entries, floor = await _recent(db, actor)
                await self._or_disowned(self.lists.fill([reader], entries, floor))

    async def _or_disowned(self, writing: Awaitable[object]) -> None:
        """Write, or let no list count any more where Redis has no room for it: all is in SQL."""
        try:
            await writing
        except ResponseError as error:
            _log.warning("timelines_not_written", error=str(error)[:200])
            await self.lists.disown()

    async def _push(self, readers: Sequence[UUID], entry: Entry) -> None:
        pushes().inc(await self.lists.push(readers, entry))

    async def _each_chunk(
        self, actor: UUID, work: Callable[[Sequence[UUID]], Awaitable[object]]
    ) -> None:
        async def one(readers: Sequence[UUID]) -> None:
            try:
                await self._or_disowned(work(readers))
            finally:
                self._width.release()

        async with asyncio.TaskGroup() as tasks:
            async for readers in self._chunks(actor):
                await self._width.acquire()
                tasks.create_task(one(readers))

    async def _chunks(self, actor: UUID) -> AsyncIterator[Sequence[UUID]]:
        """Give the person, whose own timeline has it too, and then the followers."""
        yield [actor]
        after = None
        while True:
            async with self._services.database.read() as db:
                found = await graph.followers(db, actor, after=after, limit=CHUNK)
            if found:
                yield [reader for _, reader in found]
            if len(found) < CHUNK:
                return
            after = found[-1]


async def _recent(db: Db, actor: UUID) -> tuple[list[Entry], int]:
    """Read an author's newest entries, and above which time these are all."""
    entries = await store.newest_of(db, actor, TOP, KEPT)
    return entries, entries[-1].key.at if len(entries) == KEPT else 0
