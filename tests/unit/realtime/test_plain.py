"""Callbacks that are plain functions: called in place, with every promise of the others kept."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from msgspec import Raw
from typing_extensions import override

from realtime import Channel, Endpoint, Error, LocalPubSub, Ok, Refused, Socket
from realtime.channel import Answer, Stop
from realtime.telemetry import ChannelCrashed, Event, Handled, Joined, Telemetry
from realtime.testing import connect, run


class Plain(Channel):
    """Answers in place, but for what it hands over to be awaited."""

    intercept = frozenset({"heard"})
    gate: asyncio.Event
    seen: list[Any]
    ended: list[str]

    @override
    def join(self, params: Any) -> Any:
        if params.get("crash"):
            raise ZeroDivisionError
        if params.get("refuse"):
            raise Refused("not_today")
        self.push("inside", {"before": "the answer"})
        return {"hello": params.get("name")}

    @override
    def handle_in(  # noqa: C901, PLR0912 - a table
        self, event: str, payload: Any
    ) -> Answer | Awaitable[Answer]:
        match event:
            case "echo":
                return Ok(payload)
            case "error":
                return Error({"reason": "so"})
            case "refuse":
                raise Refused("never")
            case "crash":
                raise ZeroDivisionError
            case "unwritable":
                return Ok(object())
            case "stop":
                return Stop("normal", Ok({"last": "word"}))
            case "wait":
                return self._wait(payload)
            case "info":
                self.send_info(payload)
                return Ok({"first": 1})
            case "aloud":
                self.socket.endpoint.local_broadcast(self.topic, "heard", payload)
                return None
            case _:
                return None

    async def _wait(self, payload: Any) -> Answer:
        await self.gate.wait()
        return Ok(payload)

    @override
    async def handle_info(self, message: Any) -> None:
        self.push("informed", message)

    @override
    async def handle_out(self, event: str, payload: Any) -> None:
        self.push("changed", payload)

    @override
    async def terminate(self, reason: str) -> None:
        self.ended.append(reason)


class PlainSocket(Socket):
    channels = {"plain:*": Plain}  # noqa: RUF012 - as apps write it


@pytest.fixture
def told() -> list[Event]:
    return []


def play(story: Any, told: list[Event]) -> None:
    async def scene() -> None:
        Plain.gate, Plain.ended = asyncio.Event(), []
        telemetry = Telemetry(told.append)
        async with Endpoint(PlainSocket, pubsub=LocalPubSub(), telemetry=telemetry) as endpoint:
            await story(await connect(endpoint))

    run(scene())


def test_it_answers_and_refuses_and_is_counted_once_a_tick(told: list[Event]) -> None:
    async def story(client: Any) -> None:
        assert (await client.join("plain:1", {"name": "ada"})).response == {"hello": "ada"}
        assert (await client.receive("inside")).payload == {"before": "the answer"}
        assert (await client.request("plain:1", "echo", {"a": 1})).response == {"a": 1}
        assert (await client.request("plain:1", "error", {})).response == {"reason": "so"}
        assert (await client.request("plain:1", "refuse", {})).response == {"reason": "never"}

    play(story, told)
    handled = [event for event in told if isinstance(event, Handled)]
    outcomes = {(event.event, event.outcome, event.count) for event in handled}
    assert outcomes == {("echo", "ok", 1), ("error", "refused", 1), ("refuse", "refused", 1)}
    assert all(event.seconds > 0 for event in handled)


def test_messages_of_one_tick_are_told_of_together(told: list[Event]) -> None:
    async def story(client: Any) -> None:
        await client.join("plain:1", {})
        for number in range(5):
            client.push("plain:1", "echo", number)
        await client.request("plain:1", "echo", {})

    play(story, told)
    handled = [event for event in told if isinstance(event, Handled)]
    assert sum(event.count for event in handled) == 6
    assert len(handled) < 6


@pytest.mark.parametrize("event", ["crash", "unwritable"])
def test_what_it_raises_ends_its_channel_alone(event: str, told: list[Event]) -> None:
    async def story(client: Any) -> None:
        await client.join("plain:1", {})
        await client.join("plain:2", {})
        client.push("plain:1", event, {})
        assert (await client.receive("phx_error")).topic == "plain:1"
        assert (await client.request("plain:2", "echo", {"b": 2})).response == {"b": 2}
        assert Plain.ended == ["crashed"]

    play(story, told)
    assert [event.callback for event in told if isinstance(event, ChannelCrashed)] == ["handle_in"]


def test_what_it_hands_over_is_awaited_and_what_follows_waits(told: list[Event]) -> None:
    async def story(client: Any) -> None:
        await client.join("plain:1", {})
        await client.receive("inside")
        client.push("plain:1", "wait", {"n": 1})
        client.push("plain:1", "echo", {"n": 2})
        await client.refute("phx_reply", within=5)
        Plain.gate.set()
        replies = [await client.receive("phx_reply") for _ in range(2)]
        assert [reply.payload["response"]["n"] for reply in replies] == [1, 2]
        assert (await client.request("plain:1", "echo", {"n": 3})).response == {"n": 3}

    play(story, told)


def test_what_it_says_to_itself_comes_after_its_answer(told: list[Event]) -> None:
    async def story(client: Any) -> None:
        await client.join("plain:1", {})
        await client.receive("inside")
        assert (await client.request("plain:1", "info", {"n": 2})).response == {"first": 1}
        assert (await client.receive("informed")).payload == {"n": 2}
        client.push("plain:1", "aloud", {"n": 3})
        assert (await client.receive("changed")).payload == {"n": 3}

    play(story, told)


class Unreading(Channel):
    """Hands on what it does not read."""

    raw = frozenset({"pass"})

    @override
    def handle_in(self, event: str, payload: Any) -> Answer | Awaitable[Answer]:
        self.assigns_kind(payload)
        return Ok(payload) if event == "pass" else Ok({"read": payload})

    def assigns_kind(self, payload: Any) -> None:
        """Remember what came."""
        kinds.append(type(payload))


kinds: list[type] = []


class TwoKinds(Socket):
    channels = {"un:*": Unreading, "plain:*": Plain}  # noqa: RUF012 - as apps write it


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
def test_a_payload_nobody_reads_is_passed_on_as_it_was_written(vsn: str) -> None:
    async def story() -> None:
        kinds.clear()
        async with Endpoint(TwoKinds, pubsub=LocalPubSub()) as endpoint:
            client = await connect(endpoint, vsn=vsn)
            await client.join("un:1", {})
            assert (await client.request("un:1", "pass", {"a": [1, None]})).response == {
                "a": [1, None]
            }
            assert (await client.request("un:1", "other", [1])).response == {"read": [1]}
            assert kinds == [Raw, list]

    run(story())


def test_another_channel_of_the_socket_still_reads_the_same_event() -> None:
    class Reads(Unreading):
        raw = frozenset()

    class Both(Socket):
        channels = {"un:*": Unreading, "reads:*": Reads}  # noqa: RUF012 - as apps write it

    async def story() -> None:
        kinds.clear()
        async with Endpoint(Both, pubsub=LocalPubSub()) as endpoint:
            client = await connect(endpoint)
            await client.join("reads:1", {})
            await client.request("reads:1", "pass", {"a": 1})
            client.send_raw('["1","9","reads:1","pass",{"a":01}]')
            assert (await client.request("reads:1", "pass", {})).ok
            assert kinds == [dict, dict]

    run(story())


def test_it_stops_with_a_last_word(told: list[Event]) -> None:
    async def story(client: Any) -> None:
        await client.join("plain:1", {})
        reply = await client.request("plain:1", "stop", {})
        assert reply.response == {"last": "word"}
        await client.receive("phx_close")
        assert Plain.ended == ["normal"]
        assert (await client.join("plain:1", {})).ok

    play(story, told)


def test_a_join_in_place_is_refused_crashes_and_is_told_of(told: list[Event]) -> None:
    async def story(client: Any) -> None:
        assert (await client.join("plain:1", {"refuse": 1})).response == {"reason": "not_today"}
        assert (await client.join("plain:1", {"crash": 1})).response == {"reason": "join crashed"}
        assert (await client.join("plain:1", {})).ok

    play(story, told)
    assert [event.outcome for event in told if isinstance(event, Joined)] == [
        "refused",
        "crashed",
        "ok",
    ]
