"""The faults of the test kit are those of real networks, and the library stands them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from realtime import Endpoint, Limits, PublishFailed
from realtime.message import Message
from realtime.telemetry import MalformedReceived, PubSubLost, PubSubRestored, WriterOverflowed
from realtime.testing import Client, Network, connect, kill
from tests.unit.realtime.rooms import Guest, Room, told_of


@asynccontextmanager
async def nodes(count: int, **limits: Any) -> AsyncIterator[tuple[Network, list[Endpoint]]]:
    network = Network()
    Room.ended.clear()
    async with AsyncExitStack() as stack:
        made = [
            await stack.enter_async_context(
                Endpoint(Guest, pubsub=network.pubsub(), limits=Limits(**limits))
            )
            for _ in range(count)
        ]
        yield network, made


async def joined(endpoint: Endpoint, **params: Any) -> Client:
    client = await connect(endpoint, params=params)
    assert (await client.join("room:1")).ok
    return client


async def test_an_outage_drops_nobody_and_is_told_as_a_gap() -> None:
    async with nodes(2) as (network, (one, two)):
        told: list[Any] = []
        one.telemetry.attach(told.append)
        gaps: list[str] = []
        one.on_gap(lambda: gaps.append("one"))
        here, there = await joined(one), await joined(two)
        network.down()
        network.down()  # it is down already
        await asyncio.sleep(10)
        assert (await here.request("room:1", "shout")).response == {"reason": "unavailable"}
        with pytest.raises(PublishFailed):
            await one.broadcast("room:1", "shout", {})
        network.up()
        network.up()
        here.push("room:1", "shout", {"n": 1})
        assert (await there.receive("shout")).payload == {"n": 1}
        assert gaps == ["one"]
        assert told_of(told, PubSubLost) == [PubSubLost("cut by a test")]
        assert told_of(told, PubSubRestored) == [PubSubRestored(10.0, 1)]


async def test_one_node_may_be_cut_off_from_the_others() -> None:
    async with nodes(3) as (network, (one, two, three)):
        clients = [await joined(node) for node in (one, two, three)]
        two.pubsub.cut()  # type: ignore[attr-defined]
        clients[0].push("room:1", "shout")
        await clients[2].receive("shout")
        await clients[1].refute("shout")
        network.up()
        clients[1].push("room:1", "shout", {"n": 2})
        for client in clients:
            while (await client.receive("shout")).payload != {"n": 2}:
                pass


async def test_frames_between_nodes_are_lost_and_torn() -> None:
    async with nodes(2) as (network, (one, two)):
        told: list[Any] = []
        two.telemetry.attach(told.append)
        here, there = await joined(one), await joined(two)
        network.lose = lambda envelope: b"1" in envelope.data
        network.tear = lambda envelope: b"2" in envelope.data
        for n in range(4):
            here.push("room:1", "shout", {"n": n})
        assert [(await there.receive("shout")).payload["n"] for _ in range(2)] == [0, 3]
        assert told_of(told, MalformedReceived)
        assert [envelope.event for envelope in network.carried] == ["shout"] * 4


async def test_a_killed_node_says_nothing_to_anybody() -> None:
    async with nodes(2) as (_, (one, two)):
        here, there = await joined(one), await joined(two)
        there.push("room:1", "slow", {"seconds": 1})
        there.push("room:1", "shout")
        await asyncio.sleep(0.5)
        kill(two)
        assert (await there.wait_closed()).code == 1006
        await here.refute(within=50)
        assert Room.ended == []
        assert two.measure().sockets == 0
        assert not two.pubsub.connected
        # Who came back elsewhere is whole.
        back = await joined(one)
        here.push("room:1", "shout", {"again": 1})
        assert (await back.receive("shout")).payload == {"again": 1}


async def test_a_slow_reader_takes_all_of_it_later() -> None:
    async with nodes(1) as (_, (one,)):
        slow, quick = await joined(one), await joined(one)
        slow.stop_reading()
        for n in range(3):
            quick.push("room:1", "shout", {"n": n})
            await quick.receive("shout")
        assert slow.received == []
        assert one.measure().largest_waiting_bytes > 0
        slow.read_again()
        assert [(await slow.receive("shout")).payload["n"] for _ in range(3)] == [0, 1, 2]
        assert one.measure().largest_waiting_bytes == 0
        await slow.refute(within=59)
        assert slow.closed is None


async def test_a_slow_reader_is_let_go_at_the_bound_of_bytes_or_of_time() -> None:
    async with nodes(1, writer_bytes=2_000) as (_, (one,)):
        told: list[Any] = []
        one.telemetry.attach(told.append)
        greedy, stuck, quick = [await joined(one) for _ in range(3)]
        greedy.stop_reading()
        for _ in range(2):
            quick.push("room:1", "shout", {"words": "x" * 1_500})
            await quick.receive("shout")
        assert (await greedy.wait_closed()).code == 4008
        stuck.stop_reading()
        quick.push("room:1", "shout", {"few": "words"})
        assert (await stuck.wait_closed()).code == 4008
        assert [event.cause for event in told_of(told, WriterOverflowed)] == ["bytes", "stalled"]
        assert quick.closed is None


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_frames_of_one_client_are_lost_and_torn(vsn: str) -> None:
    async with nodes(1) as (_, (one,)):
        client = await connect(one, vsn=vsn)
        assert (await client.join("room:1")).ok
        client.send_torn(Message("1", "2", "room:1", "ping", {}))
        assert (await client.request("room:1", "ping")).ok
        client.lose = lambda message: message.payload == {"n": 1}
        for n in range(3):
            client.push("room:1", "shout", {"n": n})
        assert [(await client.receive("shout")).payload["n"] for _ in range(2)] == [0, 2]
