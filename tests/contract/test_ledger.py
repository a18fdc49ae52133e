"""What every ledger must do; the one in memory, which unit tests use, is held to it as well."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from redis.asyncio import Redis

from server.feed.ledger import Ledger, RedisLedger
from server.feed.model import Entry, Log
from server.kernel.ids import new_id
from tests.unit.feed.ledgers import MemoryLedger

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "redis"])
async def ledger(request: pytest.FixtureRequest) -> AsyncIterator[Ledger]:
    if request.param == "memory":
        yield MemoryLedger()
        return
    async with Redis.from_url(request.getfixturevalue("redis_url")) as redis:
        yield RedisLedger(redis)


def entry(number: int) -> Entry:
    ids = tuple(UUID(int=number * 4 + place) for place in range(4))
    return Entry(ids, "science", "vector_topk+diversity", f"maker {number}", 0.951)


def after(log: Log, *entries: Entry) -> Log:
    return Log(log.session, log.epoch, log.base, (*log.entries, *entries), log.barred)


async def test_there_is_none_at_first(ledger):
    assert await ledger.read(new_id()) is None


async def test_what_was_written_is_read_back(ledger):
    log = Log(new_id(), 2**32 - 1, 17, barred=frozenset({new_id(), new_id()}))
    assert await ledger.append(log, [entry(1), entry(2)])
    assert await ledger.read(log.session) == after(log, entry(1), entry(2))


async def test_it_grows_at_its_end_only(ledger):
    log = Log(new_id(), 1)
    assert await ledger.append(log, [entry(1)])
    assert await ledger.append(after(log, entry(1)), [entry(2), entry(3)])
    found = await ledger.read(log.session)
    assert found.entries == (entry(1), entry(2), entry(3))
    assert found.tail == 3


async def test_who_saw_an_older_end_writes_nothing(ledger):
    log = Log(new_id(), 1)
    await ledger.append(log, [entry(1)])
    assert not await ledger.append(log, [entry(2)])
    assert not await ledger.append(after(log, entry(1), entry(2)), [entry(3)])
    assert (await ledger.read(log.session)).entries == (entry(1),)


async def test_who_saw_another_epoch_writes_nothing(ledger):
    log = Log(new_id(), 1)
    await ledger.append(log, [entry(1)])
    assert not await ledger.append(Log(log.session, 2, 0, (entry(9),)), [entry(2)])
    assert (await ledger.read(log.session)).epoch == 1


async def test_a_lost_ledger_does_not_grow_from_its_middle(ledger):
    log = Log(new_id(), 1, 0, (entry(1),))
    assert not await ledger.append(log, [entry(2)])
    assert await ledger.read(log.session) is None


async def test_an_empty_one_can_be_begun_once(ledger):
    log = Log(new_id(), 5, 12, barred=frozenset({new_id()}))
    assert await ledger.append(log, [])
    assert await ledger.read(log.session) == log


async def test_of_many_who_extend_it_at_once_one_does(ledger):
    log = Log(new_id(), 1)
    written = await asyncio.gather(*(ledger.append(log, [entry(n)]) for n in range(8)))
    assert sorted(written) == [False] * 7 + [True]
    assert (await ledger.read(log.session)).entries == (entry(written.index(True)),)


async def test_sessions_do_not_touch_one_another(ledger):
    one, other = Log(new_id(), 1), Log(new_id(), 1)
    await ledger.append(one, [entry(1)])
    assert await ledger.read(other.session) is None
