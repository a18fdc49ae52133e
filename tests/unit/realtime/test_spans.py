"""Spans: every callback begins once and ends once, and nobody pays who does not listen."""

import asyncio
from contextvars import ContextVar
from typing import Any, ClassVar

import pytest

from realtime import Channel, ConnectRefused, Endpoint, Error, LocalPubSub, Ok, Refused, Socket
from realtime.telemetry import Span, SpanRaised, SpanStarted, SpanStopped
from realtime.testing import connect

CURRENT: ContextVar[int] = ContextVar("current", default=0)


class Slow(Channel):
    intercept = frozenset({"heard"})

    async def join(self, params: Any) -> Any:
        if "refuse" in params:
            raise Refused("full")
        await asyncio.sleep(params.get("seconds", 0))
        self.send_info("hello")

    async def handle_in(self, event: str, payload: Any) -> Any:
        await asyncio.sleep(1)
        match event:
            case "crash":
                raise ZeroDivisionError
            case "error":
                return Error()
            case "aloud":
                self.socket.endpoint.local_broadcast(self.topic, "heard", {})
        return Ok({"within": CURRENT.get(), "said": payload})


class Quick(Channel):
    def join(self, params: Any) -> Any:
        return params

    def handle_in(self, event: str, payload: Any) -> Any:
        match event:
            case "crash":
                raise ZeroDivisionError
            case "later":
                return self._later()
        return Ok(payload)

    async def _later(self) -> Ok:
        await asyncio.sleep(1)
        return Ok()


class Guest(Socket):
    channels: ClassVar[Any] = {"slow:*": Slow, "quick:*": Quick}

    def connect(self) -> None:
        if "refuse" in self.info.params:
            raise ConnectRefused


class Trace:
    """Notes spans in words, and follows them as a tracer does: by a context variable."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.open: set[int] = set()

    def __call__(self, span: Span) -> None:
        match span:
            case SpanStarted(number, callback, pattern, event):
                self.open.add(number)
                CURRENT.set(number)
                self.words.append(" ".join(filter(None, ("begin", callback, pattern, event))))
            case SpanStopped(started, seconds, outcome):
                self._end(started, seconds, outcome)
            case SpanRaised(started, seconds, error):
                self._end(started, seconds, type(error).__name__)

    def _end(self, started: SpanStarted, seconds: float, how: str) -> None:
        self.open.remove(started.id)
        assert seconds >= 0
        assert CURRENT.get() == started.id
        self.words.append(" ".join(filter(None, ("end", started.callback, started.event, how))))


def endpoint() -> Endpoint:
    return Endpoint(Guest, pubsub=LocalPubSub())


async def test_callbacks_that_wait() -> None:
    async with endpoint() as served:
        trace = Trace()
        served.telemetry.trace(trace)
        client = await connect(served)
        await client.join("slow:1")
        assert (await client.request("slow:1", "echo")).response["within"] > 0
        await client.request("slow:1", "error")
        await client.request("slow:1", "aloud")
        await client.receive("heard")
        await client.leave("slow:1")
    assert not trace.open
    assert trace.words == [
        *("begin connect", "end connect ok"),
        *("begin join slow:*", "end join ok"),
        *("begin handle_info slow:*", "end handle_info ok"),
        *("begin handle_in slow:* echo", "end handle_in echo ok"),
        *("begin handle_in slow:* error", "end handle_in error refused"),
        *("begin handle_in slow:* aloud", "end handle_in aloud ok"),
        *("begin handle_out slow:* heard", "end handle_out heard ok"),
        *("begin terminate slow:*", "end terminate ok"),
    ]


async def test_callbacks_in_place() -> None:
    async with endpoint() as served:
        trace = Trace()
        served.telemetry.trace(trace)
        client = await connect(served)
        await client.join("quick:1")
        await client.request("quick:1", "echo")
        await client.request("quick:1", "later")
        client.push("quick:1", "crash")
        await client.receive("phx_error")
    assert not trace.open
    assert trace.words[4:] == [
        *("begin handle_in quick:* echo", "end handle_in echo ok"),
        *("begin handle_in quick:* later", "end handle_in later ok"),
        *("begin handle_in quick:* crash", "end handle_in crash ZeroDivisionError"),
    ]


async def test_what_goes_wrong_has_an_end_too() -> None:
    async with endpoint() as served:
        trace = Trace()
        served.telemetry.trace(trace)
        with pytest.raises(ConnectRefused):
            await connect(served, params={"refuse": "1"})
        client = await connect(served)
        await client.join("slow:1", {"refuse": 1})
        client.push("slow:2", "phx_join", {"seconds": 5})
        await asyncio.sleep(1)
        await client.close()
        other = await connect(served)
        await other.join("slow:1")
        other.push("slow:1", "crash")
        await other.receive("phx_error")
    assert not trace.open
    ends = [word for word in trace.words if word.startswith("end")]
    assert ends == [
        *("end connect refused", "end connect ok", "end join refused", "end join CancelledError"),
        *("end connect ok", "end join ok", "end handle_info ok"),
        *("end handle_in crash ZeroDivisionError", "end terminate ok"),
    ]


async def test_who_does_not_listen_pays_nothing() -> None:
    async with endpoint() as served:
        trace = Trace()
        stop = served.telemetry.trace(trace)
        assert served.telemetry.tracing
        stop()
        assert not served.telemetry.tracing
        client = await connect(served)
        await client.join("quick:1")
        assert trace.words == []
        (connection,) = served.node.connections
        assert "connect" not in vars(connection.socket)  # type: ignore[attr-defined]
