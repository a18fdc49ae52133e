"""Two nodes and their clients over a Redis that dies and comes back."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from realtime import Endpoint, Publisher
from realtime.pubsub.redis import RedisPubSub
from realtime.testing import Client, connect
from tests.contract.test_pubsub import PATIENCE_S, QUICK, RedisServer
from tests.unit.realtime.rooms import Guest, Room


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


@asynccontextmanager
async def nodes(server: RedisServer, count: int) -> AsyncIterator[list[Endpoint]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                Endpoint(Guest, pubsub=RedisPubSub(server.url, pace=QUICK))
            )
            for _ in range(count)
        ]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110 - the state of several nodes at once
            await asyncio.sleep(0.01)


async def joined(endpoint: Endpoint, **params: Any) -> Client:
    client = await connect(endpoint, params=params)
    assert (await client.join("room:1")).ok
    return client


def test_nodes_hear_each_other_and_workers(redis_server: RedisServer) -> None:
    async def story() -> None:
        async with nodes(redis_server, 2) as (one, two):
            here, there = await joined(one), await joined(two, name="ada")
            here.push("room:1", "others", {"n": 1})
            assert (await there.receive("shout")).payload == {"n": 1}
            worker = Publisher(RedisPubSub(redis_server.url, subscribe=False, pace=QUICK))
            await worker.pubsub.start()
            await worker.broadcast("room:1", "news", b"\x01\x02")
            for client in (here, there):
                assert (await client.receive("news")).payload == b"\x01\x02"
            await worker.disconnect("guest:ada")
            assert (await there.wait_closed()).code == 1001
            assert here.closed is None
            await worker.pubsub.stop()

    asyncio.run(story())


def test_an_outage_drops_nobody_and_every_topic_is_alive_again(redis_server: RedisServer) -> None:
    async def story() -> None:
        async with nodes(redis_server, 2) as (one, two):
            here, there = await joined(one), await joined(two)
            gaps: list[str] = []
            one.on_gap(lambda: gaps.append("one"))
            two.on_gap(lambda: gaps.append("two"))
            redis_server.kill()
            await until(lambda: not (one.pubsub.connected or two.pubsub.connected))
            # Meanwhile a client is told what cannot be done, and all else goes on.
            assert (await here.request("room:1", "shout")).response == {"reason": "unavailable"}
            assert (await here.request("room:1", "ping", {"x": 1})).ok
            assert (await here.join("room:2")).ok
            one.local_broadcast("room:1", "local", {})
            await here.receive("local")
            await asyncio.to_thread(redis_server.start)
            await until(lambda: sorted(gaps) == ["one", "two"])
            for sender, receiver in ((here, there), (there, here)):
                sender.push("room:1", "others", {})
                await receiver.receive("shout")
            assert here.closed is there.closed is None
            assert Room.ended == []

    Room.ended.clear()
    asyncio.run(story())


KILLS = 20


def test_redis_killed_at_any_moment_repeats_nothing_and_turns_nothing_around(
    redis_server: RedisServer,
) -> None:
    """What comes through comes once and in order; what was refused was said to be."""
    dice = random.Random(20_261_120)  # noqa: S311 - the moments are to be the same each time

    async def story() -> None:
        async with nodes(redis_server, 2) as (one, two):
            here, there = await joined(one), await joined(two)
            gaps: list[str] = []
            two.on_gap(lambda: gaps.append("two"))
            sent = 0
            for round_number in range(1, KILLS + 1):
                killing = asyncio.get_running_loop().call_later(
                    dice.uniform(0.0, 0.05), redis_server.kill
                )
                while two.pubsub.connected:
                    here.push("room:1", "others", {"n": (sent := sent + 1)})
                    await asyncio.sleep(dice.uniform(0.0, 0.002))
                killing.cancel()
                await asyncio.to_thread(redis_server.start)
                await until(lambda: len(gaps) == round_number)  # noqa: B023 - awaited within
                await until(lambda: one.pubsub.connected)
                while not await heard(here, there, sent := sent + 1):
                    pass
            assert len(gaps) == KILLS
            came = [frame.payload["n"] for frame in there.received if frame.event == "shout"]
            assert came == sorted(set(came))
            assert here.closed is there.closed is None

    asyncio.run(story())


async def heard(here: Client, there: Client, number: int) -> bool:
    """Say a number, and whether it came; all that came before stays."""
    here.push("room:1", "others", {"n": number})
    await here.request("room:1", "ping")
    for _ in range(200):
        if any(frame.payload == {"n": number} for frame in there.received):
            return True
        await asyncio.sleep(0.005)
    return False
