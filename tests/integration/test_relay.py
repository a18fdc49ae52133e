"""The streams between outbox and groups: read, left behind, lost, cut, and followed by others."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis
from sqlalchemy import text

from server.embedded import RedisServer
from server.kernel import relay as relays
from server.kernel.bell import listening
from server.kernel.database import Db
from server.kernel.delivery import Wanted
from server.kernel.outbox import Event, Reaction, by_topic, emit
from server.kernel.relay import Relay
from server.kernel.services import Services
from server.kernel.stream import LIFE, Copier, Member, stream_of

pytestmark = pytest.mark.anyio


class Happened(Event, frozen=True):
    """A test's own event."""

    topic: ClassVar[str] = "test.happened"
    n: int


class Ended(Event, frozen=True):
    """Another topic of the same stream."""

    topic: ClassVar[str] = "test.ended"
    n: int


class Told:
    """A group that notes what it is told, and when that is a certain number."""

    def __init__(self, group: str = "told") -> None:
        self.group = group
        self.told: list[int] = []
        self._wanted = 0
        self._enough = asyncio.Event()

    async def run(self, _services: Services, _db: Db, event: Happened | Ended) -> None:
        self.told.append(event.n)
        if len(self.told) >= self._wanted:
            self._enough.set()

    @property
    def reactions(self) -> list[Reaction]:
        return [
            Reaction(f"{self.group}.happened", Happened, self.run),
            Reaction(f"{self.group}.ended", Ended, self.run),
        ]

    async def have(self, count: int) -> None:
        self._wanted = count
        self._enough.clear()
        if len(self.told) < count:
            async with asyncio.timeout(30):
                await self._enough.wait()


@contextlib.asynccontextmanager
async def relaying(
    services: Services, url: str, reactions: Sequence[Reaction]
) -> AsyncIterator[None]:
    async with listening(url) as heard:
        task = asyncio.create_task(Relay(services, by_topic(reactions)).run(heard))
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def put(services: Services, *events: Event, key: str = "one") -> None:
    async with services.write() as db:
        for event in events:
            await emit(db, event, key=key)


async def left(services: Services) -> int:
    async with services.database.read() as db:
        return int((await db.execute(text("select count(*) from ops.outbox"))).scalar_one())


@pytest.mark.row("K11")
async def test_events_reach_every_group_by_way_of_their_stream(
    services: Services, database_url: str
) -> None:
    first, second = Told("first"), Told("second")
    async with relaying(services, database_url, [*first.reactions, *second.reactions]):
        await put(services, Happened(1), Ended(2), Happened(3))
        await first.have(3)
        await second.have(3)
        assert first.told == second.told == [1, 2, 3]
        async with asyncio.timeout(20):
            while await left(services):  # noqa: ASYNC110 - the row goes after its last group
                await asyncio.sleep(0.02)
    assert [g["name"] for g in await services.redis.xinfo_groups(stream_of("test.happened"))] == [
        b"first",
        b"second",
    ]


@pytest.mark.row("D-10")
async def test_programs_outside_may_follow_the_stream(services: Services) -> None:
    told = Told()
    copier = Copier(services, Wanted(by_topic(told.reactions)))
    await put(services, Happened(1))
    assert await copier.copy() == 1
    assert await copier.copy() == 0
    ((_, entry),) = await services.redis.xrange(stream_of("test.happened"))
    assert (entry[b"topic"], entry[b"key"], entry[b"payload"]) == (
        b"test.happened",
        b"one",
        b'{"n": 1}',
    )


async def test_what_redis_lost_is_copied_again_in_order(
    services: Services, database_url: str
) -> None:
    told = Told()
    copier = Copier(services, Wanted(by_topic(told.reactions)))
    await put(services, Happened(1), Happened(2))
    await copier.copy()
    await services.redis.flushall()
    await put(services, Happened(3))
    # Written into what is empty, and noticed by that.
    await copier.copy()
    while await copier.copy():
        pass
    entries = await services.redis.xrange(stream_of("test.happened"))
    assert [entry[b"payload"] for _, entry in entries][-3:] == [
        b'{"n": 1}',
        b'{"n": 2}',
        b'{"n": 3}',
    ]
    await services.redis.flushall()
    await copier.check()
    assert await services.redis.get(LIFE)
    async with relaying(services, database_url, told.reactions):
        await told.have(3)
    assert told.told == [1, 2, 3]


async def test_what_a_dead_consumer_held_goes_to_the_next(services: Services) -> None:
    told = Told()
    copier = Copier(services, Wanted(by_topic(told.reactions)))
    await put(services, Happened(1), Happened(2))
    await copier.copy()
    dead = Member(services.redis, "told", ["test.happened"], "dead")
    assert len(await dead.read(block=None)) == 2

    heir = Member(services.redis, "told", ["test.happened"], "heir")
    entries = await heir.inherit()
    assert [entry.key for entry in entries] == ["one", "one"]
    await heir.acknowledge(entries)
    assert await heir.inherit() == []
    names = await services.redis.xinfo_consumers(stream_of("test.happened"), "told")
    assert [each["name"] for each in names] == [b"heir"]


async def test_a_stream_is_cut_behind_the_slowest_group_ours_or_not(services: Services) -> None:
    told = Told()
    stream = stream_of("test.happened")
    copier = Copier(services, Wanted(by_topic(told.reactions)))
    await copier.begin()
    await services.redis.xgroup_create(stream, "outside", id="0")
    for n in range(5):
        await put(services, Happened(n), key=str(n))
    await copier.copy()
    ours = Member(services.redis, "told", ["test.happened"], "ours")
    await ours.acknowledge(await ours.read(block=None))
    await copier.trim()
    assert await services.redis.xlen(stream) == 5

    theirs = Member(services.redis, "outside", ["test.happened"], "theirs")
    entries = await theirs.read(block=None)
    await theirs.acknowledge(entries[:3])
    await copier.trim()
    assert await services.redis.xlen(stream) == 2
    await theirs.acknowledge(entries[3:])
    await copier.trim()
    assert await services.redis.xlen(stream) == 1


async def test_what_an_entry_was_lost_of_is_found_by_the_sweep(
    services: Services, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relays, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(relays, "SWEEP_OLDER_SECONDS", 0.0)
    told = Told()
    copier = Copier(services, Wanted(by_topic(told.reactions)))
    await put(services, Happened(1), Happened(2))
    await copier.copy()
    await services.redis.xtrim(stream_of("test.happened"), maxlen=0, approximate=False)
    async with relaying(services, database_url, told.reactions):
        await told.have(2)
    assert told.told == [1, 2]


async def test_events_go_on_while_redis_is_away(
    services: Services,
    database_url: str,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    monkeypatch.setattr(relays, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(relays, "SWEEP_OLDER_SECONDS", 0.0)
    redis = Redis.from_url(redis_server.url, socket_connect_timeout=1)
    told = Told()
    redis_server.kill()
    async with relaying(replace(services, redis=redis), database_url, told.reactions):
        await put(services, Happened(1))
        await told.have(1)
        redis_server.start()
        await put(services, Happened(2))
        await told.have(2)
    assert told.told == [1, 2]
    await redis.aclose()
