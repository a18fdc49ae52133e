"""A rate of a user or an address is one rate, however many nodes its sockets are on."""

import random
from typing import Any

import msgspec
import pytest

from realtime import Endpoint, Limits, Rate, Rates
from realtime.message import Message
from realtime.meter import Meter, Meters
from realtime.shares import TOPIC, Shares, Told, Used
from realtime.telemetry import MalformedReceived
from realtime.testing import Network, connect
from tests.unit.realtime.rooms import Guest, told_of

RATE = Rate(per_s=20.0, burst=40.0)
SAY = Message("1", "2", "room:1", "say", {})


class Node:
    """One node with one socket of one user."""

    def __init__(self, name: str) -> None:
        self.meters = Meters(Limits(user_rates=Rates(pushes=RATE)))
        meter = self.meters.of("ada", None)
        assert meter is not None
        self.meter: Meter = meter
        self.shares = Shares(name, self.meters, patience_s=3.0)
        self.allowed = self.asked = 0

    def ask(self, now: float) -> None:
        self.asked += 1
        self.allowed += self.meter.push(10, now) is None

    def share(self) -> float:
        return self.shares.share("user", "ada", "pushes")


class Cluster:
    """Nodes that hear each other once a second."""

    def __init__(self, count: int) -> None:
        self.nodes = [Node(f"n{number}") for number in range(count)]
        self.now = 0.0
        self.is_cut = False
        self._dice = random.Random(3)  # noqa: S311 - of when they look

    def live(self, seconds: float, *per_s: float) -> list[int]:
        """Let each node's socket ask so often; return what each was allowed."""
        before = [node.allowed for node in self.nodes]
        owed = [0.0] * len(self.nodes)
        when = 0
        for step in range(round(seconds * 100)):
            self.now += 0.01
            for place, (node, rate) in enumerate(zip(self.nodes, per_s, strict=True)):
                owed[place] += rate / 100
                while owed[place] >= 1:
                    owed[place] -= 1
                    node.ask(self.now)
            if step % 100 == 0:
                when = self._dice.randrange(100)
            if step % 100 == when:
                self._share()
        return [node.allowed - old for node, old in zip(self.nodes, before, strict=True)]

    def _share(self) -> None:
        told = []
        for node in self.nodes:
            while node.shares.find(self.now, 100):
                pass
            told.append(node.shares.look(self.now))
        for word in told:
            for node in self.nodes:
                if word is not None and not self.is_cut:
                    node.shares.hear(word, self.now)


def test_who_asks_on_three_nodes_is_given_what_one_would_give() -> None:
    cluster = Cluster(3)
    cluster.live(10, 100, 100, 100)  # in which the nodes find out
    allowed = cluster.live(60, 100, 100, 100)
    assert sum(allowed) == pytest.approx(60 * RATE.per_s, rel=0.1)
    assert [node.share() for node in cluster.nodes] == pytest.approx([1 / 3] * 3, abs=0.07)


def test_however_many_nodes_there_are() -> None:
    cluster = Cluster(10)
    cluster.live(30, *[50] * 10)
    assert sum(cluster.live(60, *[50] * 10)) == pytest.approx(60 * RATE.per_s, rel=0.2)


def test_who_asks_much_here_and_little_there_loses_little() -> None:
    cluster = Cluster(2)
    cluster.live(20, 100, 4)
    much, little = cluster.live(60, 100, 4)
    assert little == pytest.approx(4 * 60, rel=0.02)
    assert 60 * RATE.per_s * 0.65 < much + little < 60 * RATE.per_s * 1.25


def test_who_stays_within_the_rate_is_refused_nothing() -> None:
    cluster = Cluster(3)
    allowed = cluster.live(120, 5, 5, 5)
    assert sum(allowed) == sum(node.asked for node in cluster.nodes)


def test_a_node_alone_gives_out_the_whole_rate() -> None:
    cluster = Cluster(1)
    cluster.live(10, 100)
    assert sum(cluster.live(60, 100)) == pytest.approx(60 * RATE.per_s, rel=0.02)
    assert cluster.nodes[0].share() == 1.0


def test_what_the_others_have_left_is_there_again_and_nothing_is_kept() -> None:
    cluster = Cluster(2)
    cluster.live(20, 100, 100)
    assert max(node.share() for node in cluster.nodes) < 0.7
    cluster.live(20, 100, 0)
    assert cluster.nodes[0].share() > 0.97
    cluster.live(60, 0, 0)
    assert [len(node.shares) for node in cluster.nodes] == [0, 0]
    asked = cluster.nodes[0].asked
    assert cluster.live(2, 30, 0) == [cluster.nodes[0].asked - asked, 0]  # burst and rate are whole


def test_without_word_from_the_others_the_rate_is_whole() -> None:
    cluster = Cluster(2)
    cluster.live(20, 100, 100)
    cluster.is_cut = True
    cluster.live(20, 100, 100)
    assert [node.share() for node in cluster.nodes] == pytest.approx([1, 1], abs=0.02)


def test_what_is_told_is_bounded_and_what_is_heard_is_too() -> None:
    meters = Meters(Limits(user_rates=Rates(pushes=RATE)))
    shares = Shares("here", meters, patience_s=3.0)
    for number in range(1_200):
        meter = meters.of(f"user{number}", None)
        assert meter is not None
        for _ in range(30 + number % 10):
            meter.push(1, 0.0)
    assert shares.find(0.0, 500)
    assert shares.find(0.0, 500)
    assert not shares.find(0.0, 500)
    assert shares.look(0.0) is None  # once may be chance
    told = shares.look(0.0)
    assert told is not None
    assert len(told.used) == 1_000
    many = [Used("user", f"other{number}", "pushes", 7.0) for number in range(20_000)]
    shares.hear(Told("there", many), 0.0)
    assert len(shares) == 10_000
    shares.look(0.0)
    assert (
        shares.share("user", "other1", "pushes") == 0.75
    )  # halfway to a half: no more is believed


def test_what_is_told_is_the_part_of_the_whole_rate() -> None:
    node = Node("here")
    assert node.share() == 1.0
    for _ in range(30):
        node.ask(0.0)
    assert not node.shares.find(0.0, 10)
    node.shares.hear(Told("there", [Used("user", "ada", "pushes", 0.2)]), 0.0)
    assert node.shares.look(0.0) is None
    assert node.share() == pytest.approx(0.9)
    told = node.shares.look(0.0)
    assert told is not None
    assert (told.node, told.used[0].part) == ("here", pytest.approx(0.36 * 0.85))
    node.shares.look(2.99)
    assert node.share() < 0.85
    node.shares.look(3.0)  # what was said is forgotten
    assert node.share() > 0.9


def test_what_is_full_is_not_looked_at_again() -> None:
    node = Node("here")
    assert not node.shares.find(0.0, 10)
    assert len(node.shares) == 0


def test_ones_own_word_is_no_news() -> None:
    shares = Shares("here", Meters(Limits()), patience_s=3.0)
    shares.hear(Told("here", [Used("user", "ada", "pushes", 1.0)]), 0.0)
    assert len(shares) == 0


async def test_nodes_share_over_their_pub_sub() -> None:
    network = Network()
    limits = Limits(user_rates=Rates(pushes=Rate(10, 20)), refusals=Rate(1_000, 10_000))
    async with (
        Endpoint(Guest, pubsub=network.pubsub(), limits=limits) as one,
        Endpoint(Guest, pubsub=network.pubsub(), limits=limits) as two,
    ):
        told: list[Any] = []
        two.telemetry.attach(told.append)
        clients = [await connect(node, params={"name": "ada"}) for node in (one, two)]
        for client in clients:
            await client.join("room:1")
        allowed = 0
        for second in range(80):
            answers = [await client.request("room:1", "ping") for client in clients * 20]
            await clients[0].refute("nothing", within=1.0)
            if second >= 20:
                allowed += sum(answer.ok for answer in answers)
        assert allowed == pytest.approx(60 * 10, rel=0.15)
        await one.broadcast(TOPIC, "used", b"\xff")
        assert told_of(told, MalformedReceived)
        network.down()
        await clients[0].refute("nothing", within=20)
        words = [envelope for envelope in network.carried if envelope.topic == TOPIC]
        assert msgspec.msgpack.decode(words[0].data)[0] in (one.name, two.name)
    assert one.sharing is not None
    said = len(network.carried)
    network.up()
    await clients[0].refute("nothing", within=10)
    assert len(network.carried) == said
    assert len(one.node.fanout) == len(two.node.fanout) == 0


async def test_where_nothing_is_shared_nothing_is_said() -> None:
    network = Network()
    limits = Limits(socket_rates=Rates(pushes=Rate(10, 20)))
    async with Endpoint(Guest, pubsub=network.pubsub(), limits=limits) as one:
        client = await connect(one)
        await client.join("room:1")
        await client.refute("nothing", within=50)
        assert one.sharing is None
        assert not network.carried
