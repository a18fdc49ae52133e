"""A websocket protocol class for uvicorn: frames go straight to the transport, and come from it.

`uvicorn.run(app, ws=FastlaneProtocol, ws_per_message_deflate=False)`. The upgrade is uvicorn's;
once the endpoint has attached itself this class reads and writes the frames, without a queue, a
task or a copy for each socket. Other websocket apps of the same server are served as ever.
"""

# mypy: disable-error-code="explicit-override"
# typing.override is newer than Python 3.11, and nothing else here needs typing_extensions.

import asyncio
import logging
from asyncio.transports import BaseTransport
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

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
from realtime.transports.websocket import LANE, Sink

try:
    from websockets.speedups import apply_mask
except ImportError:  # where its C extension was not built
    from websockets.utils import apply_mask

# uvicorn writes the query string of every accepted socket at INFO, and a token may be in it.
_quiet = logging.getLogger("uvicorn.error.realtime")
_EARLY_BYTES = 65_536
_BREACH_GRACE_S = 1.0


class _Deaf(FrameReader):
    """Reads nothing any more."""

    __slots__ = ()

    def feed(self, data: bytes, take: Callable[[int, bytes], None]) -> None:
        """Let it go."""

    def whole_text(self, data: bytes) -> str | None:  # noqa: ARG002
        """Find nothing."""
        return None


class _Nowhere:
    """Stands for the queue and the event of a connection on which no app waits."""

    def put_nowait(self, event: Any) -> None:
        """Let it go."""

    def set(self) -> None:
        """Nobody waits."""

    def clear(self) -> None:
        """Nobody will."""


_DEAF = _Deaf(0, apply_mask)
_NOWHERE: Any = _Nowhere()


class FastlaneProtocol(WebSocketsSansIOProtocol):
    """One websocket connection; also the lane that the endpoint writes to."""

    write: Callable[[bytes], None]
    _sink: Sink | None = None
    _reader: FrameReader | None = None
    _early: bytes | None = None  # what came before it was known who reads
    _abort: asyncio.TimerHandle | None = None
    _closed: bool = False  # a close frame has gone out

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if _quiet.level != logging.WARNING:  # uvicorn's own set-up of logs takes it back
            _quiet.setLevel(logging.WARNING)
        self.logger = _quiet
        self.conn.debug = False  # it would write the headers
        # Shared frames are never compressed, and a context that takes over could not be shared.
        self._fast = not self.config.ws_per_message_deflate

    # The lane.

    def attach(self, sink: Sink) -> None:
        """Send messages to `sink` from now on, and first those that came since the upgrade."""
        if self.disconnected:
            sink.closed(1006)
            return
        self._sink = sink
        self._reader = FrameReader(self.config.ws_max_size, apply_mask)
        self.stop_keepalive()  # clients send heartbeats, and the endpoint looks for the silent
        early, self._early = self._early, None
        # What the upgrade needed is most of a connection's memory.
        del self.conn, self.request, self.response, self.scope
        self.queue = self.writable = _NOWHERE
        self._read_again()
        if early:
            self.data_received(early)

    def buffered(self) -> int:
        """Return how many bytes the peer has not taken yet."""
        return int(self.transport.get_write_buffer_size())

    def close(self, close: Close, grace_s: float) -> None:
        """Send a close frame; abort if the peer has not closed after `grace_s`."""
        if self._closed or self.disconnected:
            return
        self._notify(close)
        self._closed = True
        if not self.transport.is_closing():
            self.write(close_frame(close))
        self._abort = self.loop.call_later(grace_s, self.transport.abort)

    # What uvicorn asks of it.

    def connection_made(self, transport: BaseTransport) -> None:
        """Take the transport, and its way of writing as it is."""
        super().connection_made(transport)
        self.write = self.transport.write

    def handle_connect(self, event: Any) -> None:
        """Offer the lane to the app that is about to be called."""
        super().handle_connect(event)
        if self._fast and self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            cast("dict[str, Any]", self.scope["extensions"])[LANE] = self
            self._early = b""

    def data_received(self, data: bytes) -> None:
        """Read frames for the endpoint, or leave them to uvicorn where nobody has attached."""
        if self._reader is not None:
            try:
                text = self._reader.whole_text(data)
                if text is None:
                    self._reader.feed(data, self._take)
                elif self._sink is not None:
                    self._sink.received(text)
            except Broken as broken:
                self._reader = _DEAF  # what follows a breach cannot be read
                self.close(broken.close, _BREACH_GRACE_S)
        elif self._early is not None:
            self._early += data
            if len(self._early) > _EARLY_BYTES and not self.read_paused:
                self.read_paused = True
                self.transport.pause_reading()
        else:
            super().data_received(data)

    async def send(self, message: Any) -> None:
        """Send for an app; the endpoint attaches itself in the very step in which it accepts."""
        await super().send(message)
        if message["type"] == "websocket.accept":
            self.loop.call_soon(self._leave_to_uvicorn)

    async def run_asgi(self) -> None:
        """Call the app. Where the endpoint has attached itself, its return is not the end."""
        try:
            await self.app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except BaseException:
            self.logger.exception("the websocket app failed")
            self.send_500_response()
        else:
            if self._reader is not None:
                return
            if not self.handshake_complete:
                self.send_500_response()
        if self.close_timer is None:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell of the end where nobody said anything."""
        if self._abort is not None:
            self._abort.cancel()
        self._notify(Close(1005 if self.handshake_complete else 1006, ""))
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Tell that the peer has stopped reading."""
        super().pause_writing()
        if self._sink is not None:
            self._sink.paused(is_paused=True)

    def resume_writing(self) -> None:
        """Tell that the peer reads again."""
        super().resume_writing()
        if self._sink is not None:
            self._sink.paused(is_paused=False)

    def keepalive_timeout(self) -> None:
        """Let go of a peer that answers no ping, even where it leaves its buffer full."""
        super().keepalive_timeout()
        self._abort_later()

    def shutdown(self) -> None:
        """Leave the goodbye to the endpoint, which spreads it over time."""
        if self._sink is not None:
            self._sink.drain()
        elif self._reader is None:
            super().shutdown()
            self._abort_later()

    # Inside.

    def _leave_to_uvicorn(self) -> None:
        early, self._early = self._early, None
        if early is not None:  # nobody has attached: it is another app's socket
            self._read_again()
            if early:
                super().data_received(early)

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
        self._abort_later()

    def _read_again(self) -> None:
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def _notify(self, close: Close) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.closed(close.code, close.reason)

    def _abort_later(self) -> None:
        if self._abort is None:
            self._abort = self.loop.call_later(self.close_timeout, self.transport.abort)
