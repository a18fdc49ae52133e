"""Brings events from the outbox to the groups that wait for them, in order for each key.

One relay runs at a time, by lease; a second one would do no harm, for what a group has taken is
decided in PostgreSQL. It copies rows to Redis streams, and for each group it reads the stream and
delivers. What a group cannot take is tried again with growing pauses, its key waiting behind it,
and is parked after some attempts, where an operator sees it. Where a stream has lost something,
or Redis is away altogether, a sweep over the table finds what is open.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from uuid import uuid4

from redis.exceptions import RedisError
from sqlalchemy import text

from server.kernel.delivery import STORE_ERRORS, Done, Group, Wanted, forget_done
from server.kernel.logs import log
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.kernel.stream import Copier, Entry, Member

POLL_SECONDS = 0.25
# How often it is looked whether the pause of something that failed is over.
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
    select consumer, array_agg(distinct key) as keys from ops.setbacks
    where parked_at is null and next_attempt_at <= now() group by consumer
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
        self._done = Done(services, self._wanted)
        self._couriers = [Courier(services, group, self._done) for group in self._groups]
        self._copied = 0

    async def run(self, heard: asyncio.Event) -> None:
        """Deliver for as long as the task lives, woken by the bell and by the poll."""
        # Groups are there before anybody reads; if Redis is away they are made later.
        await outlasting(self._copier.begin)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._copy(heard))
            tasks.create_task(self._tidy())
            tasks.create_task(self._done.run())
            tasks.create_task(self._retry())
            tasks.create_task(self._sweep())
            for courier in self._couriers:
                tasks.create_task(courier.follow())
                tasks.create_task(courier.go_back())

    async def deliver(self) -> int:
        """Deliver what is open straight from the table, once, without the streams.

        Says how many events were taken, each as often as there are groups that took it.
        """
        taken = 0
        for group in self._groups:
            taken += await group.deliver(await group.open_keys(), self._done)
        await self._done.remove()
        return taken + await forget_done(self._services, self._wanted)

    async def _copy(self, heard: asyncio.Event) -> None:
        # What groups tell each other needs no way through PostgreSQL's NOTIFY.
        with self._services.bell.heard_here(heard):
            while True:
                heard.clear()
                copied = await outlasting(self._copier.copy)
                if copied:
                    self._copied += copied
                else:
                    await wait_for(heard, POLL_SECONDS)

    async def _retry(self) -> None:
        """Send couriers back for what failed, when its pause is over: one look for all groups."""
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            await outlasting(self._retry_once)

    async def _retry_once(self) -> None:
        async with self._services.database.read() as db:
            due = {row.consumer: row.keys for row in await db.execute(_DUE)}
        for courier in self._couriers:
            courier.send_back(due.get(courier.group.name, ()))

    async def _sweep(self) -> None:
        """Send couriers back for what no stream told them of, a group after the other."""
        while self._couriers:
            for courier in self._couriers:
                await outlasting(courier.look)
                await asyncio.sleep(SWEEP_SECONDS / len(self._couriers))

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

    def __init__(self, services: Services, group: Group, done: Done) -> None:
        self.group = group
        self._done = done
        self._member = Member(services.redis, group.name, group.topics, uuid4().hex)
        self._inherited = False
        # Delivered, and acknowledged with the next reading.
        self._read: list[Entry] = []
        self._delivering = asyncio.Lock()
        self._back: set[str] = set()
        self._sent_back = asyncio.Event()

    async def follow(self) -> None:
        """Deliver what the streams tell of, for as long as the task lives."""
        while True:
            await outlasting(self._turn)

    async def go_back(self) -> None:
        """Deliver what the courier is sent back for, for as long as the task lives."""
        while True:
            await self._sent_back.wait()
            self._sent_back.clear()
            keys, self._back = self._back, set()
            await outlasting(partial(self._deliver, keys))

    def send_back(self, keys: Collection[str]) -> None:
        """Have keys delivered that no stream tells of any more."""
        if keys:
            self._back.update(keys)
            self._sent_back.set()

    async def look(self) -> None:
        """Look for what is open and should have come by the streams long ago."""
        self.send_back(await self.group.open_keys(older=SWEEP_OLDER_SECONDS))

    async def _turn(self) -> int:
        entries = await self._news()
        # A stream carries a family of topics; not each of them concerns each of its groups.
        keys = {entry.key for entry in entries if entry.topic in self.group.topics}
        taken = await self._deliver(keys)
        self._read = entries
        return taken

    async def _deliver(self, keys: Collection[str]) -> int:
        if not keys:
            return 0
        async with self._delivering:
            return await self.group.deliver(keys, self._done)

    async def _news(self) -> list[Entry]:
        try:
            if not self._inherited:
                left = await self._member.inherit()
                self._inherited = True
                if left:
                    return left
            done, self._read = self._read, []
            return await self._member.read(done=done)
        except RedisError as error:
            # The stream is lost or away: the copier makes it again, and the sweep does without.
            _log.warning("stream_not_read", group=self.group.name, error=type(error).__name__)
            self._inherited = False
            await asyncio.sleep(AWAY_SECONDS)
            return []


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
