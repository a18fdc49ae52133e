"""WebSockets under any ASGI server, and faster under one that offers a lane."""

import asyncio
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Protocol, cast

from realtime.close import CRASHED, GOING_AWAY, SLOW, Close
from realtime.connection import Connection
from realtime.express import connection_of
from realtime.frame import Wire
from realtime.handshake import subprotocols
from realtime.node import Node
from realtime.serializer import Serializer
from realtime.socket import ConnectRefused, Socket
from realtime.transports.admission import Receive, Scope, Send, admit
from realtime.transports.http import start
from realtime.way import Write
from realtime.writer import FramedWriter, Lane, ignore_overflow

LANE = "realtime.lane"


class Sink(Protocol):
    """What a lane calls with what comes in."""

    def received(self, data: str | bytes) -> None:
        """Take one message."""

    def heard(self) -> None:
        """Take notice that the client is alive."""

    def closed(self, code: int, reason: str = "") -> None:
        """Take notice of the end."""

    def paused(self, *, is_paused: bool) -> None:
        """Take notice that the client stopped reading, or reads again."""

    def drain(self) -> None:
        """Take notice that the server stops."""


class FastLane(Lane, Protocol):
    """A lane that also hands in messages as they come, without a task in between.

    The app returns once it has attached itself: the server keeps the connection, not the call.
    """

    def claim(self) -> bool:
        """Ask for the connection before anything is received or sent; say whether it is given."""

    def attach(self, sink: Sink) -> None:
        """Send messages to `sink` from now on, and tell it of the end."""


class WebSocketTransport:
    """The ASGI app of websocket scopes."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one client from its upgrade to its end."""
        if scope["type"] == "http":
            await _no_upgrade(send)
            return
        if scope["type"] != "websocket":
            raise RuntimeError("the realtime endpoint serves websockets; mount it as one")
        began = asyncio.get_running_loop().time()
        lane = cast("FastLane | None", scope.get("extensions", {}).get(LANE))
        if lane is not None and not lane.claim():
            lane = None  # whatever stands before this app has begun to read or write
        if lane is None:
            await receive()  # websocket.connect
        token, answer = subprotocols(scope.get("subprotocols") or ())
        try:
            socket, serializer = await admit(self._node, scope, token, transport="websocket")
        except ConnectRefused as refusal:
            await _refuse(scope, send, refusal.status)
            return
        await send({"type": "websocket.accept", "subprotocol": answer})
        seconds = asyncio.get_running_loop().time() - began
        if lane is not None:
            connection = self._in_lane(socket, serializer, lane)
            connection.opened(seconds=seconds)
        else:
            connection, writer = self._by_asgi(socket, serializer, send)
            connection.opened(seconds=seconds)
            await _serve(connection, writer, receive)

    def _in_lane(self, socket: Socket, serializer: Serializer, lane: FastLane) -> Connection:
        limits = self._node.limits
        writer = FramedWriter(
            serializer, lane, limit=limits.writer_bytes, grace_s=limits.close_grace_s
        )
        connection = connection_of(self._node, socket, writer)
        writer.overflowed = connection.overflowed
        lane.attach(connection)
        return connection

    def _by_asgi(
        self, socket: Socket, serializer: Serializer, send: Send
    ) -> tuple[Connection, "AsgiWriter"]:
        writer = AsgiWriter(serializer, send, self._node)
        connection = Connection(self._node, socket, writer)
        writer.overflowed = connection.overflowed
        return connection, writer


class AsgiWriter:
    """Writes through ASGI `send`, with a task only while something waits."""

    framed = False

    def __init__(self, serializer: Serializer, send: Send, node: Node) -> None:
        self.serializer = serializer
        self.out: list[Wire] = []
        self.topics: dict[str, int] = {}
        self.direct: Write | None = None
        self.overflowed: Callable[[int], None] = ignore_overflow
        self.stalled: float | None = None
        self.gave_up = False
        self._send = send
        self._node = node
        self._queue: deque[Wire] = deque()
        self._queued = 0
        self._close: Close | None = None
        self._task: asyncio.Task[None] | None = None
        self._app = asyncio.current_task()
        self._timer: asyncio.TimerHandle | None = None

    def flush(self) -> None:
        """Move what waits to the sending task, unless too much waits there already."""
        if self._close is not None or not self.out:
            return
        self._queue.extend(self.out)
        self._queued += sum(len(wire.data) for wire in self.out)
        self.out.clear()
        if self._queued > self._node.limits.writer_bytes:
            waiting = self._queued
            self.close(SLOW)
            self.overflowed(waiting)
        else:
            self._work()

    def close(self, close: Close) -> None:
        """Send what waits and the close; leave the app's task behind if that takes too long."""
        if self._close is not None:
            return
        if close is SLOW:
            self._queue.clear()
            self.out.clear()
        else:
            self.flush()
        if self._close is not None:  # the flush found too much waiting, and closed
            return
        self._close = close
        self._work()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._node.limits.close_grace_s, self._give_up)

    def waiting(self) -> int:
        """Return how many bytes the server has not taken."""
        return self._queued

    def finish(self) -> None:
        """Send nothing more: the client is gone."""
        self._close = self._close or GOING_AWAY
        for pending in (self._timer, self._task):
            if pending is not None:
                pending.cancel()

    def _work(self) -> None:
        if self._task is None:
            self._task = self._node.spawn(self._drain())

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._queue:
                wire = self._queue.popleft()
                self.stalled = loop.time()
                await self._send(_event(wire))
                self.stalled = None
                self._queued -= len(wire.data)
            if self._close is not None:
                code, reason = self._close.code, self._close.reason
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except OSError:
            self._queue.clear()  # the client is gone, and receive() is about to say so
        finally:
            self._task = None

    def _give_up(self) -> None:
        self.gave_up = True
        if self._app is not None:
            self._app.cancel()


def _event(wire: Wire) -> dict[str, Any]:
    if wire.binary:
        return {"type": "websocket.send", "bytes": wire.data}
    return {"type": "websocket.send", "text": wire.text}


async def _serve(connection: Connection, writer: AsgiWriter, receive: Receive) -> None:
    try:
        while (message := await receive())["type"] == "websocket.receive":
            text = message.get("text")
            connection.received(message["bytes"] if text is None else text)
        connection.closed(message.get("code", 1005), message.get("reason") or "")
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if not writer.gave_up or task is None or task.uncancel() > 0:
            raise
    finally:
        connection.closed(CRASHED.code, "transport ended")
        writer.finish()


async def _no_upgrade(send: Send) -> None:
    """Answer a request that asks for no websocket, as Phoenix does."""
    words = b"This is a websocket: the connection header must contain 'upgrade'.\n"
    about = (("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(words))))
    await start(send, HTTPStatus.BAD_REQUEST, about)
    await send({"type": "http.response.body", "body": words})


async def _refuse(scope: Scope, send: Send, status: int) -> None:
    if status == HTTPStatus.FORBIDDEN or "websocket.http.response" not in scope["extensions"]:
        await send({"type": "websocket.close"})
        return
    head: list[tuple[bytes, bytes]] = []
    await send({"type": "websocket.http.response.start", "status": status, "headers": head})
    await send({"type": "websocket.http.response.body", "body": b""})
