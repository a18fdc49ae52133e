"""Server-sent events: a third way to the same topics, one way only.

`GET …/sse?vsn=2.0.0&topics=feed:news,item:7&join[feed:news]={"limit":3}` joins each topic with its
params and streams what a websocket would carry, one message in the `data` of each event. Where a
topic's answers and pushes have a `cursor`, the event's id holds the last one of every topic; a
client that comes back with it as Last-Event-ID joins there again, as browsers do by themselves.
"""

# mypy: disable-error-code="explicit-override"
# typing.override is newer than Python 3.11, and the library needs no typing_extensions.

import asyncio
import base64
import binascii
import random
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

from realtime.close import SLOW, Close
from realtime.connection import Connection
from realtime.frame import Wire
from realtime.node import Node
from realtime.serializer import V2_SERIALIZER, Serializer
from realtime.socket import ConnectRefused, Socket
from realtime.telemetry import WriterOverflowed
from realtime.transports.admission import Receive, Scope, Send, admit, header
from realtime.transports.buffered import BufferedWriter
from realtime.transports.http import answer, preflight, start, until_gone
from realtime.transports.text_only import in_text

_HEADERS = (
    ("access-control-allow-origin", "*"),
    ("cache-control", "no-store"),
    ("content-type", "text/event-stream; charset=utf-8"),
    ("x-accel-buffering", "no"),
)
_RETRY_MS = (1_000, 5_000)  # spread, so that not all come back at once
_LONGEST_ID = 8_192
_HUNG_UP = Close(1005, "")


class _Refusal(Exception):
    """A request that does not say which topics, or says it in no way that is understood."""


class EventStreamTransport:
    """The ASGI app of event streams; mount it beside the websocket, as `…/sse`."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one client until it hangs up or is sent away."""
        if scope["type"] != "http":
            raise RuntimeError("event streams are served over HTTP; mount them as such")
        if scope["method"] == "OPTIONS":
            await answer(send, HTTPStatus.OK, None, preflight(scope, "get, options"))
            return
        if scope["method"] != "GET":
            await answer(send, HTTPStatus.METHOD_NOT_ALLOWED, None, [("allow", "GET, OPTIONS")])
            return
        began = asyncio.get_running_loop().time()
        try:
            socket, serializer = await admit(self._node, scope, _token(scope), transport="sse")
            joins = _joins(scope, socket.info.params)
        except ConnectRefused as refusal:
            await answer(send, refusal.status, {"reason": refusal.reason}, _HEADERS[:2])
            return
        except _Refusal as refusal:
            reason = {"reason": str(refusal)}
            await answer(send, HTTPStatus.BAD_REQUEST, reason, _HEADERS[:2])
            return
        stream = _Stream(self._node, socket, serializer, send)
        stream.connection.opened(seconds=asyncio.get_running_loop().time() - began)
        await stream.run(joins, receive)


class _Streamed(Connection):
    """A connection that never says anything, so that its silence means nothing."""

    __slots__ = ()

    def check(self, now: float) -> None:
        """Close if the client has stopped reading."""
        stalled = self.writer.stalled
        if stalled is not None and now - stalled >= self.limits.writer_stall_s:
            self.telemetry.emit(WriterOverflowed(self.writer.waiting(), "stalled"))
            self.close(SLOW)


class _Stream:
    """What one client is sent."""

    def __init__(self, node: Node, socket: Socket, serializer: Serializer, send: Send) -> None:
        self._node = node
        self._send = send
        self._serializer = serializer
        self._news = asyncio.Event()
        self._cursors: dict[str, str] = {}
        self._writing: asyncio.Task[None] | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._writer = BufferedWriter(
            in_text(serializer), limit=node.limits.writer_bytes, news=self._on_news
        )
        self.connection = _Streamed(node, socket, self._writer)
        self._writer.overflowed = self.connection.overflowed

    async def run(self, joins: dict[str, Any], receive: Receive) -> None:
        """Join topics, each with its params, and write until one side has enough."""
        for number, (topic, params) in enumerate(joins.items(), 1):
            self.connection.received(_join(self._serializer, str(number), topic, params))
        self._writing = asyncio.create_task(self._write())
        gone = asyncio.create_task(until_gone(receive))
        try:
            await asyncio.wait((self._writing, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.connection.closed(_HUNG_UP.code, _HUNG_UP.reason)
            for pending in (self._writing, gone, self._patience):
                if pending is not None:
                    pending.cancel()

    def _on_news(self) -> None:
        self._news.set()
        if self._writer.closed is not None and self._writing is not None:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(self._node.limits.close_grace_s, self._writing.cancel)

    async def _write(self) -> None:
        try:
            await start(self._send, HTTPStatus.OK, _HEADERS)
            await self._put(f"retry: {random.randint(*_RETRY_MS)}\n\n".encode())  # noqa: S311
            while True:
                self._news.clear()
                if wires := self._writer.take():
                    await self._put(b"".join(map(self._event, wires)))
                elif (close := self._writer.closed) is not None:
                    await self._put(b"event: close\ndata: %b\n\n" % msgspec.json.encode(close))
                    await self._send({"type": "http.response.body", "body": b""})
                    return
                else:
                    await self._wait()
        except OSError:
            return  # the client is gone, and receive() is about to say so

    async def _wait(self) -> None:
        """Wait for news; say something now and then, so that no proxy takes it for dead."""
        try:
            async with asyncio.timeout(self._node.limits.sse_comment_s):
                await self._news.wait()
        except TimeoutError:
            await self._put(b":\n\n")

    async def _put(self, body: bytes) -> None:
        self._writer.stalled = asyncio.get_running_loop().time()
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
        self._writer.stalled = None

    def _event(self, wire: Wire) -> bytes:
        data = wire.data.replace(b"\r", b" ").replace(b"\n", b" ")  # only between JSON's tokens
        if b'"cursor"' in data and (found := _cursor(self._serializer, data)) is not None:
            topic, cursor = found
            self._cursors[topic] = cursor
            return b"id: %b\ndata: %b\n\n" % (_id(self._cursors), data)
        return b"data: %b\n\n" % data


# The request.


def _token(scope: Scope) -> str | None:
    scheme, _, bearer = header(scope, b"authorization").partition(" ")
    named = header(scope, b"x-phoenix-authtoken")
    return named or (bearer.strip() if scheme.lower() == "bearer" else None) or None


def _joins(scope: Scope, params: dict[str, Any]) -> dict[str, Any]:
    """Return the topics that are asked for, each with its params."""
    topics = dict.fromkeys(_listed(params.get("topics")))
    if not topics:
        raise _Refusal("topics says which to join")
    given = params.get("join", {})
    cursors = _positions(header(scope, b"last-event-id") or str(params.get("last_event_id", "")))
    joins = {}
    for topic in topics:
        said = _params(given.get(topic, {}) if isinstance(given, dict) else given)
        joins[topic] = {**said, "cursor": cursors[topic]} if topic in cursors else said
    return joins


def _listed(topics: Any) -> Iterable[str]:
    if isinstance(topics, str):
        return filter(None, topics.split(","))
    if isinstance(topics, dict):  # topics[0]=…, as phoenix.js writes lists
        topics = list(topics.values())
    return [topic for topic in topics or () if isinstance(topic, str)]


def _params(given: Any) -> dict[str, Any]:
    """Params are JSON, or nested names whose values are all text."""
    try:
        said = msgspec.json.decode(given) if isinstance(given, str) else given
    except msgspec.DecodeError as error:
        raise _Refusal("join[topic] is a JSON object") from error
    if not isinstance(said, dict):
        raise _Refusal("join[topic] is a JSON object")
    return said


def _join(serializer: Serializer, ref: str, topic: str, params: dict[str, Any]) -> str:
    if serializer is V2_SERIALIZER:
        message: Any = (ref, ref, topic, "phx_join", params)
    else:
        message = {"topic": topic, "event": "phx_join", "payload": params, "ref": ref}
    return msgspec.json.encode(message).decode()


# Positions.


class _Response(Struct):
    cursor: str | None = None


class _Payload(Struct):
    cursor: str | None = None
    response: _Response = msgspec.field(default_factory=_Response)


class _Message(Struct):
    topic: str
    payload: _Payload


_positions_decoder = msgspec.json.Decoder(dict[str, str])
_v1_decoder = msgspec.json.Decoder(_Message)
_v2_decoder = msgspec.json.Decoder(tuple[Any, Any, str, str, _Payload])


def _cursor(serializer: Serializer, data: bytes) -> tuple[str, str] | None:
    """Return the position that a message tells of, if it does."""
    try:
        if serializer is V2_SERIALIZER:
            _, _, topic, _, payload = _v2_decoder.decode(data)
        else:
            message = _v1_decoder.decode(data)
            topic, payload = message.topic, message.payload
    except msgspec.DecodeError:  # a payload of another shape
        return None
    cursor = payload.cursor or payload.response.cursor
    return None if cursor is None else (topic, cursor)


def _id(cursors: dict[str, str]) -> bytes:
    return base64.urlsafe_b64encode(msgspec.json.encode(cursors)).rstrip(b"=")


def _positions(event_id: str) -> dict[str, str]:
    """Read what an earlier stream gave; anything else is no position."""
    if not event_id or len(event_id) > _LONGEST_ID:
        return {}
    try:
        padded = event_id + "=" * (-len(event_id) % 4)
        return _positions_decoder.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return {}
