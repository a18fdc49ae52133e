"""What is kept in Redis: made once, served while it is made anew, gone when it is forgotten."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from redis.asyncio import Redis

from server.embedded import RedisServer
from server.kernel import cache as module
from server.kernel.cache import Cache
from server.kernel.clock import FixedClock

pytestmark = pytest.mark.anyio

SECONDS = 300.0


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
async def nodes(redis_url: str, clock: FixedClock) -> AsyncIterator[list[Cache[int]]]:
    """The caches of four processes, each with a connection of its own."""
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(4):
            redis = await stack.enter_async_context(Redis.from_url(redis_url, max_connections=10))
            node = Cache(redis, clock, "number", int, seconds=SECONDS)
            stack.push_async_callback(node.close)
            opened.append(node)
        yield opened


class Maker:
    """Makes numbers, when it is let."""

    def __init__(self) -> None:
        self.made = 0
        self.may = anyio.Event()
        self.began = anyio.Event()
        self.may.set()

    def hold(self) -> None:
        self.may, self.began = anyio.Event(), anyio.Event()

    async def __call__(self) -> int:
        self.made += 1
        number = self.made
        self.began.set()
        await self.may.wait()
        return number


async def ask(nodes: list[Cache[int]], maker: Maker, readers: int) -> list[int]:
    given: list[int] = []

    async def one(node: Cache[int]) -> None:
        given.append(await node.get("a", maker))

    async with anyio.create_task_group() as group:
        for reader in range(readers):
            group.start_soon(one, nodes[reader % len(nodes)])
        await maker.began.wait()
        maker.may.set()
    return given


@pytest.mark.row("V-45")
async def test_a_thousand_readers_at_the_moment_of_expiry_cause_one_computation(
    nodes: list[Cache[int]], clock: FixedClock
) -> None:
    maker = Maker()
    assert await nodes[0].get("a", maker) == 1
    clock.advance(timedelta(seconds=SECONDS))
    maker.hold()
    assert await ask(nodes, maker, 1000) == [2] * 1000
    assert maker.made == 2


async def test_the_old_value_serves_while_a_new_one_is_made_early(
    nodes: list[Cache[int]], clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = Maker()
    await nodes[0].get("a", maker)
    maker.hold()
    clock.advance(timedelta(seconds=SECONDS - 1))
    monkeypatch.setattr(module.Cache, "_is_due", lambda _self, _kept: True)
    given = [await nodes[n % 4].get("a", maker) for n in range(40)]
    assert given == [1] * 40
    await maker.began.wait()
    assert maker.made == 2
    making = [task for node in nodes for task in node._making.values()]
    maker.may.set()
    await asyncio.gather(*making, return_exceptions=True)
    monkeypatch.undo()
    assert await nodes[3].get("a", maker) == 2


async def test_how_early_depends_on_how_long_it_takes(clock: FixedClock) -> None:
    """The chance to make early, with 10 s left, is exp(-10 / took): Vattani et al., beta 1."""
    random.seed(7)
    expires = clock.now().timestamp() + 10

    def share(took: float) -> float:
        node: Cache[int] = Cache(None, clock, "n", int, seconds=60.0)  # type: ignore[arg-type]
        kept = module.Kept(b"1", expires, took, b"")
        return sum(node._is_due(kept) for _ in range(4000)) / 4000

    assert share(0.001) == 0
    assert share(10.0) == pytest.approx(0.368, abs=0.03)
    assert share(100.0) == pytest.approx(0.905, abs=0.03)


@pytest.mark.row("M-27")
@pytest.mark.row("V-51")
async def test_what_is_forgotten_is_given_to_nobody(nodes: list[Cache[int]]) -> None:
    maker = Maker()
    assert [await node.get("a", maker) for node in nodes] == [1] * 4
    await nodes[2].forget("a")
    assert [await node.get("a", maker) for node in nodes] == [2] * 4


async def test_what_was_being_made_when_it_was_forgotten_is_kept_for_nobody(
    nodes: list[Cache[int]],
) -> None:
    maker = Maker()
    maker.hold()
    async with anyio.create_task_group() as group:
        group.start_soon(nodes[0].get, "a", maker)
        await maker.began.wait()
        await nodes[1].forget("a")
        maker.may.set()
    assert await nodes[1].get("a", maker) == 2


async def test_a_version_that_was_lost_brings_nothing_back(nodes: list[Cache[int]]) -> None:
    maker = Maker()
    await nodes[0].get("a", maker)
    await nodes[0].forget("a")
    await nodes[0]._redis.delete("ver:number:a")
    assert await nodes[0].get("a", maker) == 2


async def test_a_failure_is_told_and_not_kept(nodes: list[Cache[int]]) -> None:
    async def fails() -> int:
        raise LookupError

    for node in nodes[:2]:
        with pytest.raises(LookupError):
            await node.get("a", fails)
    assert await nodes[2].get("a", Maker()) == 1


async def test_whoever_dies_making_it_holds_nobody_up_for_long(nodes: list[Cache[int]]) -> None:
    await nodes[0]._redis.set("number:a:lease", "of the dead", px=60)
    assert await nodes[1].get("a", Maker()) == 1


async def test_what_is_too_large_is_made_each_time(redis_url: str, clock: FixedClock) -> None:
    async def large() -> bytes:
        return bytes(module.MOST_BYTES + 1)

    async with Redis.from_url(redis_url) as redis:
        node = Cache(redis, clock, "large", bytes, seconds=SECONDS)
        await node.get("a", large)
        assert await redis.keys("large:*") == []


async def test_without_redis_each_process_makes_its_own(
    redis_server: RedisServer, clock: FixedClock
) -> None:
    maker = Maker()
    async with Redis.from_url(redis_server.url) as redis:
        node = Cache(redis, clock, "number", int, seconds=SECONDS)
        await node.get("a", maker)
        redis_server.kill()
        maker.hold()
        assert await ask([node], maker, 50) == [2] * 50
