"""A websocket protocol class for uvicorn: frames go straight to the transport, and come from it.

`uvicorn.run(app, ws=FastlaneProtocol, ws_per_message_deflate=False)`. The upgrade, the frames
and the end are done here for an endpoint that claims the connection, without a queue, a task or
a copy for each socket. Other websocket apps of the same server are served by uvicorn's own class.
"""

# mypy: disable-error-code="explicit-override"
# typing.override is newer than Python 3.11, and nothing else here needs typing_extensions.

import asyncio
from asyncio.transports import BaseTransport
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import unquote

from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from realtime.close import Close
from realtime.transports.frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Broken,
    FrameReader,
    close_frame,
    control,
    read_close,
    read_text,
)
from realtime.transports.upgrade import Upgrade, read_upgrade, switching
from realtime.transports.uvicorn_stock import StockProtocol, quiet_logger
from realtime.transports.websocket import LANE, Sink
from realtime.way import Way, Write, way_past

try:
    from websockets.speedups import apply_mask
except ImportError:  # where its C extension was not built
    from websockets.utils import apply_mask

_EARLY_BYTES = 65_536
_TWO_BYTES = 0xFFFF
_LEAST, _MASKED, _TWO_MORE, _WHOLE_TEXT = 6, 0x80, 126, 0x81
_BREACH_GRACE_S = 1.0
_CLOSE_TIMEOUT_S = 10.0


class _Deaf(FrameReader):
    """Reads nothing any more."""

    __slots__ = ()

    def feed(self, data: bytes, take: Callable[[int, bytes], None]) -> None:
        """Let it go."""


_DEAF = _Deaf(0, apply_mask)
_FRESH = FrameReader(0, apply_mask)  # stands for one that is made when it is needed


def place_of_mask(data: bytes) -> int:
    """Return where the mask is if this is one text in one short frame, as mostly; else 0."""
    size = len(data)
    if size < _LEAST or data[0] != _WHOLE_TEXT:
        return 0
    if data[1] == _MASKED | size - _LEAST:
        return 2
    long = data[1] == _MASKED | _TWO_MORE and (data[2] << 8 | data[3]) == size - _LEAST - 2
    return 4 if long else 0


class FastlaneProtocol(asyncio.Protocol):
    """One websocket connection; also the lane that the endpoint writes to."""

    __slots__ = (
        *("_abort", "_app_state", "_asked", "_claimed", "_closed", "_config", "_early", "_lost"),
        *(
            "_paused",
            "_raw",
            "_reader",
            "_received",
            "_sink",
            "_state",
            "_stock",
            "_task",
            "_way",
            "direct",
            "transport",
            "write",
        ),
    )

    transport: asyncio.Transport
    write: Callable[[bytes], None]
    direct: Write

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any]
    ) -> None:
        self._config = config
        self._state = server_state
        self._app_state = app_state
        self._asked: Upgrade | None = None
        self._raw: bytes | None = None  # the request
        self._claimed = False  # by an endpoint that is about to accept
        self._sink: Sink | None = None
        self._received: Callable[[str], None] | None = None  # the sink's, while all is usual
        self._reader: FrameReader | None = None
        self._early = b""  # what came before it was known who reads
        self._paused = False
        self._abort: asyncio.TimerHandle | None = None
        self._closed = False  # a close frame has gone out
        self._lost = False
        self._stock: StockProtocol | None = None
        self._way: Way | None = None
        self._task: asyncio.Task[None] | None = None

    # The lane.

    def claim(self) -> bool:
        """Keep uvicorn's own class out of it: what accepts next will attach itself."""
        self._claimed = self._stock is None
        return self._claimed

    def attach(self, sink: Sink) -> None:
        """Send messages to `sink` from now on, and first those that came since the upgrade."""
        self._asked = self._raw = self._task = None
        self._reader = _FRESH
        if self._lost:
            sink.closed(1006)
            return
        self._sink = sink
        self._received = self._quick_sink()
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        early, self._early = self._early, b""
        if early:
            self.data_received(early)

    def buffered(self) -> int:
        """Return how many bytes the peer has not taken yet."""
        return int(self.transport.get_write_buffer_size())

    def close(self, close: Close, grace_s: float) -> None:
        """Send a close frame; abort if the peer has not closed after `grace_s`."""
        if self._closed or self._lost:
            return
        self._notify(close)
        self._closed = True
        if not self.transport.is_closing():
            self.write(close_frame(close))
        loop = asyncio.get_running_loop()
        self._abort = loop.call_later(grace_s, self.transport.abort)

    # What uvicorn asks of it, and its transport.

    def connection_made(self, transport: BaseTransport) -> None:
        """Take the transport, and its way of writing as it is."""
        self.transport = cast("asyncio.Transport", transport)
        self.write = self.direct = self.transport.write
        self._state.connections.add(self)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Read frames for the endpoint, or the request that comes first."""
        received = self._received  # there while nothing is half read
        if received is not None and (mask := place_of_mask(data)):
            try:
                text = apply_mask(data[mask + 4 :], data[mask : mask + 4]).decode()
            except UnicodeDecodeError:
                self._feed(data)  # which knows what to say
            else:
                received(text)
        elif self._reader is not None:
            self._feed(data)
        elif self._stock is not None:
            self._stock.data_received(data)
        elif self._raw is None:
            self._ask(data)
        else:
            self._early += data
            if len(self._early) > _EARLY_BYTES and not self._paused:
                self._paused = True
                self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell of the end where nobody said anything."""
        self._lost = True
        if self._way is not None:
            self._way.shut()  # the number of its socket is about to be another's
        if self._stock is not None:
            self._stock.connection_lost(exc)
            return
        if self._abort is not None:
            self._abort.cancel()
        self._notify(Close(1005, ""))
        self._state.connections.discard(self)
        if exc is None:
            self.transport.close()

    def eof_received(self) -> None:
        """Let the transport close."""

    def pause_writing(self) -> None:
        """Tell that the peer has stopped reading."""
        if self._stock is not None:
            self._stock.pause_writing()
        elif self._sink is not None:
            self._sink.paused(is_paused=True)

    def resume_writing(self) -> None:
        """Tell that the peer reads again."""
        if self._stock is not None:
            self._stock.resume_writing()
        elif self._sink is not None:
            self._sink.paused(is_paused=False)

    def shutdown(self) -> None:
        """Leave the goodbye to the endpoint, which spreads it over time."""
        if self._sink is not None:
            self._sink.drain()
        elif self._reader is None:
            self._hand_over().shutdown()

    # Inside: the upgrade.

    def _ask(self, data: bytes) -> None:
        """Call the app, with the lane on offer where this class can do the upgrade."""
        # Shared frames are never compressed, and a context that takes over could not be shared.
        asked = None if self._config.ws_per_message_deflate else read_upgrade(data)
        if asked is None:
            self._raw = data
            self._hand_over()
        else:
            self.asked(asked, data)

    def asked(self, asked: Upgrade, data: bytes) -> None:
        """Call the app for a request that was read already."""
        self._raw, self._asked = data, asked
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._call(self._scope(self._asked)))
        self._state.tasks.add(self._task)
        self._task.add_done_callback(self._answered)

    def _scope(self, asked: Upgrade) -> dict[str, Any]:
        root = self._config.root_path
        raw_path, _, query = asked.target.partition(b"?")
        path = raw_path.decode("ascii")
        http: Any = self.transport.get_protocol()  # which has asked the transport already
        if hasattr(http, "client"):
            server, client = http.server, http.client
        else:
            server, client = get_local_addr(self.transport), get_remote_addr(self.transport)
        return {
            "type": "websocket",
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if is_ssl(self.transport) else "ws",
            "server": server,
            "client": client,
            "root_path": root,
            "path": root + (unquote(path) if "%" in path else path),
            "raw_path": root.encode("ascii") + raw_path,
            "query_string": query,
            "headers": asked.headers,
            "subprotocols": asked.subprotocols,
            "state": self._app_state.copy(),
            "extensions": {"websocket.http.response": {}, LANE: self},
        }

    async def _call(self, scope: dict[str, Any]) -> None:
        await self._config.loaded_app(scope, self._receive, self._send)

    async def _receive(self) -> Any:
        return await self._hand_over().receive()

    async def _send(self, message: Any) -> None:
        asked = self._asked
        if asked is None or not self._claimed or message["type"] != "websocket.accept":
            await self._hand_over().send(message)
        elif not self._lost:
            self._way = way_past(self.transport)
            if self._way is not None:
                self.write, self.direct = self._way.write, self._way.send
            headers = [*self._state.default_headers, *message.get("headers", ())]
            self.write(switching(asked.key, headers, message.get("subprotocol")))

    def _answered(self, task: "asyncio.Task[None]") -> None:
        self._state.tasks.discard(task)
        if self._reader is None:
            if self._stock is None and not self._lost:
                self._hand_over()  # which answers for an app that did not, and writes why
        elif not task.cancelled() and task.exception() is not None:
            quiet_logger().error("the websocket app failed", exc_info=task.exception())
            self.transport.close()

    def _hand_over(self) -> StockProtocol:
        """Let uvicorn's own class have the connection, as if it had come to it."""
        if self._stock is None:
            self._claimed = False
            stock = StockProtocol(self._config, self._state, self._app_state)
            stock.calls(self._task)
            self._stock = stock
            self._state.connections.discard(self)
            stock.connection_made(self.transport)
            if self._paused:
                self._paused = False
                self.transport.resume_reading()
            for data in (self._raw or b"", self._early):
                if data:
                    stock.data_received(data)
            self._early = b""
            if self._lost:
                stock.connection_lost(None)
        return self._stock

    # Inside: what comes in.

    def _feed(self, data: bytes) -> None:
        reader = self._reader
        if reader is None:
            return
        if reader is _FRESH:
            reader = self._reader = FrameReader(self._config.ws_max_size, apply_mask)
        try:
            reader.feed(data, self._take)
        except Broken as broken:
            self._reader = _DEAF  # what follows a breach cannot be read
            self.close(broken.close, _BREACH_GRACE_S)
        else:
            self._received = self._quick_sink() if reader.is_between() else None

    def _quick_sink(self) -> Callable[[str], None] | None:
        """Return what takes a text, if any frame of two bytes for its size is allowed."""
        if self._sink is None or self._config.ws_max_size <= _TWO_BYTES:
            return None
        return self._sink.received

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == CLOSE:
            if self._closed:  # the answer to ours
                self.transport.close()
            else:
                self._peer_closes(read_close(payload))
        elif self._sink is not None:
            if opcode == TEXT:
                self._sink.received(read_text(payload))
            elif opcode == BINARY:
                self._sink.received(payload)
            else:
                self._sink.heard()
                if opcode == PING:
                    self.write(control(PONG, payload))

    def _peer_closes(self, close: Close) -> None:
        self._notify(close)
        self._closed = True
        self.write(close_frame(close))
        self.transport.close()
        if self._abort is None:
            loop = asyncio.get_running_loop()
            self._abort = loop.call_later(_CLOSE_TIMEOUT_S, self.transport.abort)

    def _notify(self, close: Close) -> None:
        sink, self._sink, self._received = self._sink, None, None
        if sink is not None:
            sink.closed(close.code, close.reason)
