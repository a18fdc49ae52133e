"""Brings events from the outbox to the groups that wait for them, in order for each key.

One relay runs at a time, by lease; a second one would do no harm, for what a group has taken is
decided in PostgreSQL. It copies rows to Redis streams, and for each group it reads the stream and
delivers. What a group cannot take is tried again with growing pauses, its key waiting behind it,
and is parked after some attempts, where an operator sees it. Where a stream has lost something,
or Redis is away altogether, a sweep over the table finds what is open.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from uuid import uuid4

from redis.exceptions import RedisError
from sqlalchemy import text

from server.kernel.delivery import STORE_ERRORS, Group, Wanted, forget_done
from server.kernel.logs import log
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.kernel.stream import Copier, Entry, Member

POLL_SECONDS = 0.25
# How often a group looks whether the pause of something that failed is over.
RETRY_SECONDS = 0.25
SWEEP_SECONDS = 5.0
# What is younger is on its way by the stream.
SWEEP_OLDER_SECONDS = 2.0
AWAY_SECONDS = 0.5
# Rows that are gone stay in the way of those who look for what is open until they are swept up;
# the server's own sweeping comes once a minute at best.
VACUUM_AFTER = 2_000

_log = log("events")
_DUE = text(
    """
    select distinct key from ops.setbacks
    where consumer = :group and parked_at is null and next_attempt_at <= now() limit 1000
    """
)


class Relay:
    """Delivers what is in the outbox."""

    def __init__(
        self,
        services: Services,
        reactions: Mapping[str, Sequence[Reaction]],
        paused: Collection[str] = (),
    ) -> None:
        self._services = services
        self._wanted = Wanted(reactions)
        self._copier = Copier(services, self._wanted)
        # A group that is paused is still waited for: its rows are there when it goes on.
        self._groups = [
            Group(name, of_group, services)
            for name, of_group in self._wanted.groups.items()
            if name not in paused
        ]
        self._copied = 0

    async def run(self, heard: asyncio.Event) -> None:
        """Deliver for as long as the task lives, woken by the bell and by the poll."""
        # Groups are there before anybody reads; if Redis is away they are made later.
        await outlasting(self._copier.begin)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._copy(heard))
            tasks.create_task(self._tidy())
            for group in self._groups:
                tasks.create_task(Courier(self._services, group, self._wanted).run())

    async def deliver(self) -> int:
        """Deliver what is open straight from the table, once, without the streams.

        Says how many events were taken, each as often as there are groups that took it.
        """
        taken = 0
        for group in self._groups:
            taken += await group.deliver(await group.open_keys(), self._wanted)
        return taken + await forget_done(self._services, self._wanted)

    async def _copy(self, heard: asyncio.Event) -> None:
        while True:
            heard.clear()
            copied = await outlasting(self._copier.copy)
            if copied:
                self._copied += copied
            else:
                await wait_for(heard, POLL_SECONDS)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await outlasting(self._tidy_once)

    async def _tidy_once(self) -> int:
        await self._copier.check()
        await self._copier.trim()
        done = await forget_done(self._services, self._wanted, older=SWEEP_OLDER_SECONDS)
        if self._copied >= VACUUM_AFTER:
            self._copied = 0
            async with self._services.database.read() as db:
                for table in ("ops.outbox", "ops.inbox"):
                    await db.execute(text(f"vacuum (index_cleanup on) {table}"))
        return done


class Courier:
    """Reads a group's streams and delivers to it."""

    def __init__(self, services: Services, group: Group, wanted: Wanted) -> None:
        self._services = services
        self._group = group
        self._wanted = wanted
        self._member = Member(services.redis, group.name, group.topics, uuid4().hex)
        self._inherited = False
        self._sweep_at = 0.0
        self._retry_at = 0.0

    async def run(self) -> None:
        """Deliver for as long as the task lives."""
        while True:
            await outlasting(self._turn)

    async def _turn(self) -> int:
        entries = await self._news()
        keys = {entry.key for entry in entries}
        now = time.monotonic()
        if now >= self._sweep_at:
            keys |= set(await self._group.open_keys(older=SWEEP_OLDER_SECONDS))
            self._sweep_at = now + SWEEP_SECONDS
        if now >= self._retry_at:
            keys |= await self._due()
            self._retry_at = now + RETRY_SECONDS
        taken = await self._group.deliver(keys, self._wanted)
        if entries:
            await self._member.acknowledge(entries)
        return taken

    async def _news(self) -> list[Entry]:
        try:
            if not self._inherited:
                left = await self._member.inherit()
                self._inherited = True
                if left:
                    return left
            return await self._member.read()
        except RedisError as error:
            # The stream is lost or away: the copier makes it again, and the sweep does without.
            _log.warning("stream_not_read", group=self._group.name, error=type(error).__name__)
            self._inherited = False
            await asyncio.sleep(AWAY_SECONDS)
            return []

    async def _due(self) -> set[str]:
        async with self._services.database.read() as db:
            return set((await db.execute(_DUE, {"group": self._group.name})).scalars())


async def outlasting(work: Callable[[], Awaitable[int | None]]) -> int:
    """Do a piece of work; while a store is away, wait a little and say that nothing was done."""
    try:
        return await work() or 0
    except STORE_ERRORS as error:
        _log.warning("events_wait", error=f"{type(error).__name__}: {error}"[:300])
        await asyncio.sleep(AWAY_SECONDS)
        return 0


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, but no longer than some seconds."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
