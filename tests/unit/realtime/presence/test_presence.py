"""`realtime.presence`: what clients are told, on one node and on several."""

import asyncio
import base64
from typing import Any

import pytest

from realtime import Rate, Rates, Refused
from realtime.presence import Presence, Presences
from realtime.presence.presence import Presence as Tracking
from realtime.telemetry import ChannelCrashed, MalformedReceived, RateLimited
from realtime.testing import Client, connect
from tests.unit.realtime.presence.lobbies import TOPIC, nodes, one_node
from tests.unit.realtime.rooms import told_of

Diff = dict[str, Presences]


async def diff(client: Client) -> Diff:
    payload: Diff = (await client.receive("presence_diff")).payload
    return payload


def refs(presences: Presences, key: str) -> list[str]:
    return [meta["phx_ref"] for meta in presences[key]["metas"]]


# One node.


async def test_the_shapes_are_those_that_the_official_client_reads() -> None:
    async with nodes() as (_, (node,)):
        watcher = await node.visit()
        assert watcher.connection.socket.assigns["state"] == {}
        await node.visit("ada", device="phone")
        told = await diff(watcher)
        (meta,) = told["joins"]["ada"]["metas"]
        assert meta == {"device": "phone", "phx_ref": meta["phx_ref"]}
        assert len(base64.urlsafe_b64decode(meta["phx_ref"])) == 12
        assert told == {"joins": {"ada": {"metas": [meta]}}, "leaves": {}}
        later = await node.visit()
        assert later.connection.socket.assigns["state"] == {"ada": {"metas": [meta]}}


async def test_two_devices_of_one_person_are_two_metas() -> None:
    async with nodes() as (_, (node,)):
        watcher = await node.visit()
        phone = await node.visit("7", device="phone")
        await node.visit("7", device="web")
        first, second = await diff(watcher), await diff(watcher)
        here = await node.presence.list(TOPIC)
        assert refs(here, "7") == refs(first["joins"], "7") + refs(second["joins"], "7")
        assert await node.presence.get_by_key(TOPIC, 7) == here["7"]
        assert await node.presence.get_by_key(TOPIC, "8") is None
        await phone.close()
        assert await diff(watcher) == {"joins": {}, "leaves": first["joins"]}
        assert await node.names() == {"7"}


@pytest.mark.parametrize("how", ["close", "leave", "crash", "kick"])
async def test_presences_leave_with_their_channel_however_it_ends(how: str) -> None:
    async with nodes() as (_, (node,)):
        watcher = await node.visit()
        client = await node.visit("ada")
        joins = (await diff(watcher))["joins"]
        if how == "close":
            await client.close()
        elif how == "leave":
            await client.leave(TOPIC)
        elif how == "crash":
            client.push(TOPIC, "unknown")
        else:
            await client.join(TOPIC)  # again: the first channel is over
        assert await diff(watcher) == {"joins": {}, "leaves": joins}
        assert await node.names() == set()
        assert node.presence._tracked == {}


async def test_what_a_refused_join_tracked_leaves_again() -> None:
    async with nodes() as (_, (node,)):
        client = await connect(node.endpoint)
        assert not (await client.join(TOPIC, {"early": True, "crash": True})).ok
        assert await node.names() == set()
        assert (await client.join(TOPIC, {"early": True})).ok
        assert await node.names() == {"early"}


async def test_an_update_is_a_join_and_a_leave_in_one_diff() -> None:
    async with nodes() as (_, (node,)):
        watcher = await node.visit()
        client = await node.visit("ada")
        (old,) = (await diff(watcher))["joins"]["ada"]["metas"]
        asked = {"key": "ada", "meta": {"typing": True}}
        ref = (await client.request(TOPIC, "update", asked)).response["ref"]
        new = {"typing": True, "phx_ref": ref, "phx_ref_prev": old["phx_ref"]}
        assert await diff(watcher) == {
            "joins": {"ada": {"metas": [new]}},
            "leaves": {"ada": {"metas": [old]}},
        }
        counted = (await client.request(TOPIC, "count", {"key": "ada"})).response["ref"]
        (meta,) = (await diff(watcher))["joins"]["ada"]["metas"]
        assert meta == {"typing": True, "n": 1, "phx_ref": counted, "phx_ref_prev": ref}


async def test_what_is_refused() -> None:
    async with nodes() as (_, (node,)):
        client = await node.visit("ada")
        again = await client.request(TOPIC, "track", {"key": "ada"})
        assert (again.status, again.response) == ("error", {"reason": "already_tracked"})
        unknown = await client.request(TOPIC, "update", {"key": "bob", "meta": {}})
        assert (unknown.status, unknown.response) == ("error", {"reason": "nopresence"})
        assert (await client.request(TOPIC, "untrack", {"key": "bob"})).ok
        assert (await client.request(TOPIC, "track", {"key": 7, "meta": {"a": 1}})).ok
        assert await node.names() == {"ada", "7"}
        assert (await client.request(TOPIC, "untrack", {"key": 7})).ok
        assert await node.names() == {"ada"}


async def test_too_much_presence_is_refused_warned_of_and_closed() -> None:
    few = {"socket_rates": Rates(presence=Rate(0.5, 2.0)), "refusals": Rate(0.001, 2.0)}
    async with nodes(2, limits=few) as (_, (one, two)):
        watcher = await two.visit()
        client = await one.visit("ada")
        assert (await client.request(TOPIC, "update", {"key": "ada", "meta": {"n": 1}})).ok
        refused = await client.request(TOPIC, "update", {"key": "ada", "meta": {"n": 2}})
        assert refused.response == {"reason": "rate_limited", "retry_after_ms": 2000}
        warning = await client.receive("rate_limited")
        assert warning.payload == {**refused.response, "scope": "socket", "kind": "presence"}
        # What was said before holds, and taking it away is always allowed.
        (meta,) = (await diff(watcher))["joins"]["ada"]["metas"]
        assert meta["n"] == 1
        assert (await client.request(TOPIC, "untrack", {"key": "ada"})).ok
        assert not (await client.request(TOPIC, "track", {"key": "ada"})).ok
        await client.refute("rate_limited", within=2.0)
        assert (await client.request(TOPIC, "track", {"key": "ada"})).ok
        client.push(TOPIC, "track", {"key": "bob"})
        assert (await client.wait_closed()).code == 1008
        kinds = [(event.kind, event.outcome) for event in told_of(one.told, RateLimited)]
        assert kinds == [("presence", "refused")] * 2 + [("presence", "closed")]
        assert set((await diff(watcher))["leaves"]) == {"ada"}
        await asyncio.sleep(3)
        assert await two.names() == set()


async def test_a_channel_may_be_present_on_another_topic() -> None:
    async with nodes() as (_, (node,)):
        client = await node.visit()
        (channel,) = [r.channel for r in client.connection._runners.values()]
        node.presence.track(channel, "ada", topic="elsewhere")
        node.presence.update(channel, "ada", {"n": 2}, topic="elsewhere")
        ((_, here),) = (await node.presence.list("elsewhere")).items()
        assert here["metas"][0]["n"] == 2
        await client.close()
        assert await node.presence.list("elsewhere") == {}
        with pytest.raises(Refused):
            node.presence.update(channel, "ada", {})
        node.presence.track(channel, "late")  # by a handler that outlived its channel
        assert await node.names() == set()


async def test_what_happens_in_one_tick_is_one_diff_without_what_came_and_went() -> None:
    async with nodes() as (_, (node,)):
        watcher = await node.visit()
        client = await node.visit()
        assert (await client.request(TOPIC, "flicker")).ok
        told = await diff(watcher)
        assert set(told["joins"]) == {"f1", "f2"}
        assert told["joins"]["f1"]["metas"][0]["n"] == 1
        assert told["leaves"] == {}
        await watcher.refute("presence_diff")


# What an app overrides.


class Named(Tracking):
    """Knows the names of people, slowly, and what changed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.asked: list[set[str]] = []
        self.observed: list[tuple[set[str], set[str], set[str]]] = []
        self.slow_s = 1.0
        self.broken = False

    async def fetch(self, topic: str, presences: Presences) -> Presences:
        assert topic == TOPIC
        self.asked.append(set(presences))
        if self.broken:
            raise ValueError("as asked")
        await asyncio.sleep(self.slow_s)
        return {key: {**told, "user": {"name": key.title()}} for key, told in presences.items()}

    async def handle_metas(
        self, topic: str, joins: Presences, leaves: Presences, presences: Presences
    ) -> None:
        assert topic == TOPIC
        self.observed.append((set(joins), set(leaves), set(presences)))
        if self.broken:
            raise ValueError("as asked")


async def test_fetch_is_called_once_for_a_diff_and_for_a_list() -> None:
    async with nodes(kind=Named) as (_, (node,)):
        assert isinstance(node.presence, Named)
        watcher = await node.visit()
        ada = await node.visit("ada")
        told = await diff(watcher)
        assert told["joins"]["ada"]["user"] == {"name": "Ada"}
        assert len(told["joins"]["ada"]["metas"]) == 1
        assert node.presence.asked == [{"ada"}]
        assert (await node.presence.list(TOPIC))["ada"]["user"] == {"name": "Ada"}
        await ada.close()
        assert (await diff(watcher))["leaves"]["ada"]["user"] == {"name": "Ada"}
        assert node.presence.asked == [{"ada"}] * 3
        assert node.presence.observed == [({"ada"}, set(), {"ada"}), (set(), {"ada"}, set())]


async def test_what_comes_while_fetching_is_one_diff_more() -> None:
    async with nodes(kind=Named) as (_, (node,)):
        assert isinstance(node.presence, Named)
        watcher = await node.visit()
        client = await node.visit()
        for n in range(20):
            client.push(TOPIC, "track", {"key": f"k{n}"})
            await asyncio.sleep(0.01)
        first, second = await diff(watcher), await diff(watcher)
        assert len(first["joins"]) == 1
        assert len(second["joins"]) == 19
        await watcher.refute("presence_diff", within=10)


@pytest.mark.parametrize("why", ["raises", "hangs"])
async def test_a_fetch_that_fails_costs_what_it_adds_and_nothing_more(why: str) -> None:
    async with nodes(kind=Named) as (_, (node,)):
        assert isinstance(node.presence, Named)
        watcher = await node.visit()
        node.presence.broken, node.presence.slow_s = why == "raises", 1_000
        await node.visit("ada")
        told = await diff(watcher)
        assert set(told["joins"]["ada"]) == {"metas"}
        await asyncio.sleep(1)
        crashed = told_of(node.told, ChannelCrashed)
        assert crashed[0].callback == "fetch"
        if why == "raises":
            assert crashed[1].callback == "handle_metas"


# Several nodes.


async def test_who_joins_is_seen_at_once_here_and_after_a_period_there() -> None:
    async with nodes(3) as (_, all_nodes):
        one, two, three = all_nodes
        here, there = await one.visit(), await two.visit()
        ada = await three.visit("ada")
        await diff(await three.visit("bob"))
        await here.refute("presence_diff", within=0.0)
        told = await diff(here)
        assert told == await diff(there)
        assert set(told["joins"]) == {"ada", "bob"}
        for node in all_nodes:
            assert await node.presence.list(TOPIC) == await one.presence.list(TOPIC)
        await ada.close()
        told = await diff(here)
        assert set(told["leaves"]) == {"ada"}
        assert await diff(there) == told


async def test_a_node_that_comes_later_is_told_everything() -> None:
    async with nodes(2) as (network, (one, _)):
        await one.visit("ada")
        await asyncio.sleep(100)
        async with one_node(network) as late:
            await asyncio.sleep(0.01)
            assert await late.names() == {"ada"}
            watcher = await one.visit()
            await late.visit("bob")
            assert set((await diff(watcher))["joins"]) == {"bob"}


async def test_heartbeats_are_few_when_nothing_happens() -> None:
    async with nodes(1) as (network, _):
        await asyncio.sleep(0)
        network.carried.clear()
        await asyncio.sleep(150.5)
        assert len(network.carried) == 10  # every ten periods of a second and a half


async def test_the_presences_of_a_node_that_died_leave_after_the_down_period() -> None:
    async with nodes(2) as (_, (one, two)):
        watcher = await one.visit()
        await two.visit("ada")
        joins = (await diff(watcher))["joins"]
        two.end.cut()  # killed, as far as anybody can tell
        await watcher.refute("presence_diff", within=29)
        assert await diff(watcher) == {"joins": {}, "leaves": joins}
        assert await one.names() == set()
        two.end.mend()  # it was only cut off, and comes back as it was
        assert await diff(watcher) == {"joins": joins, "leaves": {}}
        two.end.cut()
        await asyncio.sleep(1_300)
        assert one.presence.tracker.replicas() == {}
        assert two.endpoint.name not in one.presence.tracker.state.clocks()
        two.end.mend()
        await asyncio.sleep(20)
        assert await one.names() == {"ada"}


async def test_nobody_leaves_for_an_outage_of_the_way_between() -> None:
    async with nodes(2) as (network, (one, two)):
        watcher = await one.visit()
        await two.visit("ada")
        await diff(watcher)
        network.down()
        await watcher.refute("presence_diff", within=600)
        await two.visit("bob")
        network.up()
        assert set((await diff(watcher))["joins"]) == {"bob"}
        assert await one.names() == {"ada", "bob"}


async def test_what_was_lost_on_the_way_is_asked_for() -> None:
    async with nodes(2) as (network, (one, two)):
        watcher = await one.visit()
        await asyncio.sleep(2)
        network.lose = lambda envelope: b"beat" in envelope.data and b"ada" in envelope.data
        await two.visit("ada")
        await asyncio.sleep(3)
        network.lose = lambda _: False
        assert await one.names() == set()
        await two.visit("bob")  # whose delta does not connect
        assert set((await diff(watcher))["joins"]) == {"ada", "bob"}


async def test_a_lost_delta_is_found_by_the_clock_of_the_next_heartbeat() -> None:
    async with nodes(2) as (network, (one, two)):
        await asyncio.sleep(2)
        network.lose = lambda envelope: b"ada" in envelope.data
        await two.visit("ada")
        await asyncio.sleep(3)
        network.lose = lambda _: False
        await asyncio.sleep(20)
        assert await one.names() == {"ada"}


@pytest.mark.parametrize("leave", [True, False])
async def test_a_node_that_stops_says_goodbye_where_that_is_wished(leave: bool) -> None:
    async with nodes(1) as (network, (one,)):
        watcher = await one.visit()
        async with one_node(network, leave_on_stop=leave) as two:
            await two.visit("ada")
            await diff(watcher)
        if leave:
            assert set((await diff(watcher))["leaves"]) == {"ada"}
        else:
            await watcher.refute("presence_diff", within=25)  # its clients may be back by then
            assert set((await diff(watcher))["leaves"]) == {"ada"}


async def test_what_is_no_word_of_a_tracker_is_counted() -> None:
    async with nodes(1) as (_, (node,)):
        for payload in (b"\xc1", {"a": 1}):
            await node.endpoint.broadcast("phx:presence:presence", "beat", payload)
        assert len(told_of(node.told, MalformedReceived)) == 2


async def test_nothing_is_left_of_a_thousand_comings_and_goings() -> None:
    async with nodes(2) as (_, (one, two)):
        before = len(one.endpoint.node.fanout)
        for n in range(500):
            client = await (one if n % 2 else two).visit(f"k{n}")
            await client.close()
        await asyncio.sleep(10)
        for node in (one, two):
            assert await node.names() == set()
            assert list(node.presence.tracker.state.topics()) == []
            assert node.presence._tracked == {}
        assert len(one.endpoint.node.fanout) == before


def test_the_door() -> None:
    assert Presence is Tracking
