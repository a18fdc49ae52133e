"""The one rule of lists, guard by guard: above its floor a list lacks nothing."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from redis.asyncio import Redis

from server.kernel.ids import new_id
from server.timelines import Entry, Key
from server.timelines.lists import KEPT, Lists, key_of
from server.timelines.model import TOP

pytestmark = pytest.mark.anyio

READER, ACTOR = new_id(), new_id()


@pytest.fixture
async def lists(redis_url: str) -> AsyncIterator[Lists]:
    redis = Redis.from_url(redis_url)
    yield Lists(redis, days=14)
    await redis.aclose()


def entry(at: int, actor: UUID = ACTOR) -> Entry:
    return Entry(Key(at, new_id(), actor), repost=False)


async def built(lists: Lists, entries: list[Entry], floor: int = 0) -> None:
    token = await lists.begin(READER)
    assert token is not None
    assert await lists.finish(READER, token, entries, floor)


async def found(lists: Lists) -> list[Entry] | None:
    part = await lists.read(READER, TOP, 2 * KEPT)
    return None if part is None else part.entries


async def test_what_is_written_while_a_list_is_built_stays(lists: Lists) -> None:
    token = await lists.begin(READER)
    assert token is not None
    first, second = entry(1), entry(2)
    assert await lists.push([READER], second) == 1
    assert await found(lists) is None
    assert await lists.finish(READER, token, [first], 0)

    assert await found(lists) == [second, first]


async def test_nothing_is_written_to_readers_without_a_list(lists: Lists) -> None:
    assert await lists.push([READER], entry(1)) == 0
    assert await found(lists) is None


async def test_only_one_builds_and_only_it_may_finish(lists: Lists) -> None:
    token = await lists.begin(READER)
    assert token is not None
    assert await lists.begin(READER) is None
    assert not await lists.finish(READER, "0" * 16, [entry(1)], 0)
    await lists._redis.flushall()
    assert not await lists.finish(READER, token, [entry(1)], 0)
    assert await found(lists) is None


async def test_cutting_lifts_the_floor(lists: Lists) -> None:
    await built(lists, [entry(at) for at in range(KEPT, 0, -1)])
    most = KEPT + KEPT // 10
    for at in range(KEPT + 1, most + 2):
        await lists.push([READER], entry(at))
    part = await lists.read(READER, TOP, 2 * KEPT)

    assert part is not None
    assert len(part.entries) == KEPT
    assert part.horizon == most + 1 - KEPT
    # What is older than the floor is not taken in any more.
    assert await lists.push([READER], entry(3)) == 0


async def test_filling_lifts_the_floor_to_where_all_was_given(lists: Lists) -> None:
    other = new_id()
    kept = entry(50)
    await built(lists, [kept, entry(5)])
    await lists.fill([READER], filled := [entry(60, other), entry(40, other)], 40)
    part = await lists.read(READER, TOP, 10)

    assert part is not None
    assert part.entries == [filled[0], kept]
    assert part.horizon == 40


async def test_filling_gives_up_what_is_being_built(lists: Lists) -> None:
    token = await lists.begin(READER)
    assert token is not None
    await lists.fill([READER], [entry(1)], 0)

    assert not await lists.finish(READER, token, [], 0)


async def test_a_person_is_taken_out_whole(lists: Lists) -> None:
    kept = entry(2, new_id())
    await built(lists, [entry(3), kept, entry(1)])
    await lists.remove_actor(READER, ACTOR)

    assert await found(lists) == [kept]


async def test_what_was_not_written_makes_every_list_count_as_none(lists: Lists) -> None:
    await built(lists, [entry(1)])
    await lists.disown()

    assert await found(lists) is None
    await built(lists, last := [entry(2)])
    assert await found(lists) == last


async def test_a_list_of_before_a_restart_counts_as_none(lists: Lists) -> None:
    await built(lists, [entry(1)])
    redis, key = lists._redis, key_of(READER)
    mark = (await redis.zrange(key, 0, 0))[0]
    # What the same list looks like to a server with another run.
    await redis.zrem(key, mark)
    await redis.zadd(key, {mark[:-1] + b"?": 0})

    assert await found(lists) is None
    assert await lists.begin(READER) is not None
