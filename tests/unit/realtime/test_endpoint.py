"""`realtime.endpoint`: broadcasts from anywhere, and the end of a node."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Raw, Struct

from realtime import Broadcast, Endpoint, LocalPubSub, Publisher, PublishFailed
from realtime.node import Measures
from realtime.pubsub.port import Envelope
from realtime.telemetry import ChannelCrashed, Drained, Event, PubSubLost, SocketClosed, Telemetry
from realtime.testing import connect
from tests.unit.realtime.rooms import Guest, Room, serving, told_of


class Count(Struct):
    n: int


class Broken(LocalPubSub):
    """A way between nodes that is down."""

    def __init__(self) -> None:
        super().__init__()
        self.gap: Callable[[], None] = lambda: None

    def attach(
        self, deliver: Callable[[Envelope], None], gap: Callable[[], None]
    ) -> Callable[[], None]:
        self.gap = gap
        return super().attach(deliver, gap)

    async def publish(self, envelope: Envelope) -> None:  # noqa: ARG002
        raise PublishFailed


async def test_nodes_that_share_a_pub_sub_hear_each_other() -> None:
    pubsub = LocalPubSub()
    async with Endpoint(Guest, pubsub=pubsub) as one, Endpoint(Guest, pubsub=pubsub) as two:
        here, there = await connect(one), await connect(two, params={"name": "ada"})
        for client in (here, there):
            await client.join("room:1")
        here.push("room:1", "others", {"from": "one"})
        assert (await there.receive()).payload == {"from": "one"}
        await here.refute()  # the member number of one node means nobody on the other
        await Publisher(pubsub).broadcast("room:1", "news", Count(1))
        for client in (here, there):
            assert (await client.receive("news")).payload == {"n": 1}
        one.local_broadcast("room:1", "local", {})
        await here.receive("local")
        await there.refute("local")
        await Publisher(pubsub).disconnect("guest:ada")
        assert (await there.wait_closed()).code == 1001


async def test_payloads_may_be_structs_raw_json_or_bytes() -> None:
    async with serving() as (endpoint, _):
        heard: list[Broadcast] = []
        stop = endpoint.subscribe("room:1", heard.append)
        for payload in (Count(1), Raw(b'{"n":2}'), {"n": 3}, b"\x04"):
            await endpoint.broadcast("room:1", "e", payload)
        assert [broadcast.decode(Count).n for broadcast in heard[:3]] == [1, 2, 3]
        assert heard[3].decode() == b"\x04"
        stop()
        await endpoint.broadcast("room:1", "e", {})
        assert len(heard) == 4


async def test_a_listener_that_raises_deafens_nobody_else() -> None:
    async with serving() as (endpoint, told):
        heard: list[Broadcast] = []

        def raises(_: Broadcast) -> None:
            raise ValueError("as asked")

        endpoint.subscribe("room:1", raises)
        endpoint.subscribe("room:1", heard.append)
        client = await connect(endpoint)
        await client.join("room:1")
        await endpoint.broadcast("room:1", "news", {})
        assert len(heard) == 1
        await client.receive("news")
        assert told_of(told, ChannelCrashed)[0].callback == "listener"


async def test_what_cannot_be_sent_is_refused_at_the_sender() -> None:
    async with serving() as (endpoint, _):
        with pytest.raises(TypeError):
            await endpoint.broadcast("room:1", "e", object())
        with pytest.raises(ValueError, match="topic"):
            await endpoint.broadcast("é" * 128, "e", b"")
        with pytest.raises(ValueError, match="surrogates"):
            await endpoint.broadcast("\ud800", "e", {})


async def test_a_publish_that_fails_is_told_to_the_caller_and_answers_the_client() -> None:
    async with Endpoint(Guest, pubsub=Broken()) as endpoint:
        with pytest.raises(PublishFailed):
            await endpoint.broadcast("room:1", "e", {})
        client = await connect(endpoint)
        await client.join("room:1")
        reply = await client.request("room:1", "shout")
        assert (reply.status, reply.response) == ("error", {"reason": "unavailable"})
        assert (await client.request("room:1", "ping")).ok


async def test_a_gap_is_told_to_everyone_who_asked() -> None:
    pubsub = Broken()
    async with Endpoint(Guest, pubsub=pubsub) as endpoint:
        gaps: list[int] = []
        stop = endpoint.on_gap(lambda: gaps.append(1))
        endpoint.on_gap(lambda: gaps.append(2))
        pubsub.gap()
        stop()
        stop()
        endpoint.on_gap(lambda: gaps.append(1 // 0))
        endpoint.on_gap(lambda: gaps.append(3))
        pubsub.gap()
        assert gaps == [1, 2, 2, 3]


async def test_what_the_pub_sub_tells_the_endpoint_tells() -> None:
    pubsub, told = LocalPubSub(), list[Event]()
    async with Endpoint(Guest, pubsub=pubsub, telemetry=Telemetry(told.append)):
        pubsub.telemetry.emit(PubSubLost("as asked"))
    pubsub.telemetry.emit(PubSubLost("after the end"))
    assert told == [PubSubLost("as asked")]


async def test_what_there_is_can_be_counted() -> None:
    async with serving() as (endpoint, _):
        assert endpoint.measure() == Measures(0, 0, 0, 0, 0, 0)
        one, other = await connect(endpoint), await connect(endpoint)
        for topic in ("room:1", "room:2"):
            await one.join(topic)
        await other.join("room:1")
        other.push("room:1", "wait")
        await asyncio.sleep(0.1)
        assert endpoint.measure() == Measures(2, 3, 2, 1, 0, 0)


async def test_draining_sends_everyone_away_in_batches() -> None:
    async with serving() as (endpoint, told):
        clients = [await connect(endpoint) for _ in range(5)]
        drain = asyncio.create_task(endpoint.drain(batch=2, pause_s=10))
        closed: list[int] = []
        for _ in range(3):
            await asyncio.sleep(5)
            closed.append(sum(client.closed is not None for client in clients))
            await asyncio.sleep(5)
        await drain
        assert closed == [2, 4, 5]
        batches = [(event.sockets, event.left) for event in told_of(told, Drained)]
        assert batches == [(2, 3), (2, 1), (1, 0)]
        assert {client.closed.code for client in clients if client.closed} == {1012}
        assert len(told_of(told, SocketClosed)) == 5


async def test_stopping_waits_for_the_channels_to_end() -> None:
    async with serving(shutdown_timeout_s=5) as (endpoint, _):
        client = await connect(endpoint)
        await client.join("room:1")
        client.push("room:1", "slow", {"seconds": 3})
        await asyncio.sleep(0.1)
        await endpoint.stop()
        assert Room.ended == [("room:1", "closed")]
        assert len(endpoint.node.fanout) == 0


async def test_stopping_does_not_wait_for_ever() -> None:
    async with serving(shutdown_timeout_s=5) as (endpoint, _):
        client = await connect(endpoint)
        await client.join("room:hangs")
        began = asyncio.get_running_loop().time()
        await endpoint.stop()
        assert asyncio.get_running_loop().time() - began < 11


async def test_a_thousand_comings_and_goings_leave_nothing_behind() -> None:
    async with serving() as (endpoint, _):
        for n in range(1_000):
            client = await connect(endpoint, params={"name": str(n % 7)})
            await client.join("room:1")
            await client.join("censored")
            await client.close()
        await asyncio.sleep(1)
        node: Any = endpoint.node
        assert len(node.fanout) == len(node.connections) == len(node.by_id) == len(node._tasks) == 0


async def test_a_local_broadcast_may_leave_out_one_channel() -> None:
    async with serving() as (endpoint, _):
        one, other = await connect(endpoint), await connect(endpoint)
        for client in (one, other):
            await client.join("room:1")
        sender = one.connection.socket.assigns["rooms"]["room:1"].engine.member
        endpoint.local_broadcast_from(sender, "room:1", "news", {"n": 1})
        assert (await other.receive("news")).payload == {"n": 1}
        await one.refute("news")
