"""The short way of the lane and the long way of all others: the same words, the same answers."""

import asyncio
import json
from collections.abc import Awaitable
from typing import Any, ClassVar

from hypothesis import example, given, settings
from hypothesis import strategies as st

from realtime import Channel, Endpoint, Error, Limits, LocalPubSub, Ok, Rate, Rates, Refused, Socket
from realtime.channel import Answer, Stop
from realtime.telemetry import Event, Handled, MalformedReceived, RateLimited
from realtime.testing import connect, run
from tests.unit.realtime.lanes import connect_lane
from tests.unit.realtime.rooms import told_of


class Plain(Channel):
    """Plain functions, which the short way is for; and one event that has to wait."""

    raw = frozenset({"raw"})
    ended: ClassVar[list[str]] = []

    def join(self, params: Any) -> Any:
        if params == {"refuse": 1}:
            raise Refused("full")
        return {"joined": params}

    def handle_in(  # noqa: C901 - a table
        self, event: str, payload: Any
    ) -> Answer | Awaitable[Answer]:
        match event:
            case "echo" | "raw":
                return Ok(payload)
            case "fail":
                return Error({"payload": payload})
            case "refuse":
                raise Refused("never", more=payload)
            case "crash":
                raise ZeroDivisionError
            case "stop":
                return Stop("normal", Ok({"bye": 1}))
            case "wait":
                return self._wait(payload)
            case "push":
                self.push("pushed", payload)
            case "say":
                self.send_info(payload)
        return None

    async def _wait(self, payload: Any) -> Answer:
        await asyncio.sleep(1)
        return Ok({"waited": payload})

    def handle_info(self, message: Any) -> None:
        self.push("said", {"message": message})


class Slow(Plain):
    async def join(self, params: Any) -> Any:
        await asyncio.sleep(2)
        return {"slow": params}


class Guest(Socket):
    channels: ClassVar[Any] = {"plain:*": Plain, "slow:*": Slow}


NAMES = ["plain:1", "plain:2", "slow:1", "phoenix", "attic"]
EVENTS = ["echo", "raw", "fail", "refuse", "crash", "stop", "wait", "push", "say", "unknown",
          "heartbeat", "phx_join", "phx_join", "phx_leave"]  # fmt: skip
REFS = st.sampled_from(["1", "1", "1", "2", None, 1, 1.0, True, [1], ""])
PAYLOADS = st.sampled_from([{}, {"a": 1}, {"refuse": 1}, [1], "é", None, 7, "x" * 5_000])
FRAMES = st.tuples(REFS, REFS, st.sampled_from(NAMES), st.sampled_from(EVENTS), PAYLOADS).map(list)
WORDS = st.one_of(
    FRAMES.map(json.dumps),
    FRAMES.map(json.dumps),
    FRAMES.map(json.dumps),
    st.sampled_from(["{}", "[", "[1,2,3,4]", '["1","2",3,"echo",{}]', "\ud800", "nul"]),
    st.sampled_from(["pause", "breathe"]),
    st.binary(max_size=12),
)
JOIN = '["1","1","plain:1","phx_join",{}]'
ECHO = '["1","9","plain:1","echo",{"n":1}]'


def talk(words: list[str | bytes], **limits: Any) -> tuple[list[Any], list[Any]]:
    """Return what each way made of it: what was sent and told."""

    async def story(*, is_lane: bool) -> list[Any]:
        told: list[Event] = []
        async with Endpoint(
            Guest, pubsub=LocalPubSub(), limits=Limits(max_malformed=9, **limits)
        ) as endpoint:
            endpoint.telemetry.attach(told.append)
            client: Any = await (connect_lane if is_lane else connect)(endpoint)
            for word in (JOIN, *words):
                if word in ("pause", "breathe"):
                    await asyncio.sleep(3 if word == "pause" else 0)
                elif client.closed is None:
                    client.send_raw(word)
            await asyncio.sleep(10)
            seen = client.messages() if is_lane else [_as_list(each) for each in client.received]
            closed = client.closed
            if closed is None:
                client.connection.closed(1005)
                await asyncio.sleep(10)
            assert endpoint.measure().tasks == endpoint.measure().sockets == 0
            assert len(endpoint.node.fanout) == 0
        return [seen, closed, _counted(told), len(told_of(told, MalformedReceived))]

    return run(story(is_lane=False)), run(story(is_lane=True))


def _as_list(message: Any) -> Any:
    return [message.join_ref, message.ref, message.topic, message.event, message.payload]


def _counted(told: list[Event]) -> dict[Any, int]:
    counts: dict[Any, int] = {}
    for event in told_of(told, Handled):
        key = event.pattern, event.event, event.outcome
        counts[key] = counts.get(key, 0) + event.count
    return counts


@settings(max_examples=150)
@given(st.lists(WORDS, max_size=25))
@example(['["1","2","plain:1","phx_leave",{}]', '["1","3","plain:1","echo",{}]'])
@example(['["2","2","plain:1","phx_join",{}]', '["1","3","plain:1","echo",{}]'])
@example(['["1","2","plain:1","wait",{}]', '["1","3","plain:1","echo",{}]', "pause"])
@example(['["1","2","plain:1","stop",{}]', '["1","3","plain:1","echo",{}]'])
@example(['["1","2","plain:1","crash",{}]', '["1","3","plain:1","echo",{}]'])
@example(['["1","2","plain:1","say",1]', '["1","3","plain:1","echo",{}]'])
@example(['[1,"2","plain:1","echo",{}]', '[true,"3","plain:1","echo",{}]'])
@example([ECHO, JOIN, ECHO])  # the same name again, and another channel behind it
@example([ECHO, '["1","2","plain:1","phx_leave",{}]', ECHO, JOIN, ECHO])
@example([ECHO, '["1","2","plain:1","crash",{}]', ECHO, JOIN, ECHO])
def test_both_ways_say_the_same(words: list[str | bytes]) -> None:
    long, short = talk(words)
    assert short == long


async def test_both_ways_hold_clients_to_their_rates() -> None:
    rates = Rates(pushes=Rate(10, 40), bytes=Rate(100_000, 400_000))
    allowed = []
    for is_lane in (False, True):
        told: list[Event] = []
        async with Endpoint(
            Guest,
            pubsub=LocalPubSub(),
            limits=Limits(user_rates=rates, socket_rates=rates, refusals=Rate(1_000, 10_000)),
        ) as endpoint:
            endpoint.telemetry.attach(told.append)
            client: Any = await (connect_lane if is_lane else connect)(endpoint)
            client.send_raw(JOIN)
            for _ in range(100):
                for n in range(3):
                    client.send_raw(f'["1","{n}","plain:1","echo",{{}}]')
                await asyncio.sleep(0.1)
            allowed.append(sum(event.count for event in told_of(told, Handled)))
            assert told_of(told, RateLimited)
            assert {event.kind for event in told_of(told, RateLimited)} == {"pushes"}
    # Forty, and ten a second; the short way pays for a few in advance.
    assert 139 <= allowed[0] <= 141
    assert 0 <= allowed[0] - allowed[1] <= 16
