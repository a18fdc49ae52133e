"""A websocket protocol class for uvicorn: shared frames go straight to the transport.

`uvicorn.run(app, ws=FastlaneProtocol, ws_per_message_deflate=False)`. The upgrade, pings, limits
and the closing handshake stay uvicorn's; once the endpoint has attached itself, messages come
in without a queue and a task switch, and go out as bytes that many sockets share.
"""

# mypy: disable-error-code="explicit-override"
# typing.override is newer than Python 3.11, and nothing else here needs typing_extensions.

import asyncio
import logging
from asyncio.transports import BaseTransport
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState

from realtime.close import NOT_UTF8, Close
from realtime.transports.websocket import LANE, Sink

# uvicorn writes the query string of every accepted socket at INFO, and a token may be in it.
_quiet = logging.getLogger("uvicorn.error.realtime")


class FastlaneProtocol(WebSocketsSansIOProtocol):
    """One websocket connection; also the lane that the endpoint writes to."""

    write: Callable[[bytes], None]
    _sink: Sink | None = None
    _grace: asyncio.TimerHandle | None = None

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
        self._sink = sink
        while not self.queue.empty():
            self._hand_over(self.queue.get_nowait())
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def buffered(self) -> int:
        """Return how many bytes the peer has not taken yet."""
        return int(self.transport.get_write_buffer_size())

    def close(self, close: Close, grace_s: float) -> None:
        """Send a close frame; abort if the peer has not closed after `grace_s`."""
        if self.close_sent or self.disconnected:
            return
        self.stop_keepalive()
        self._notify(close.code, close.reason)
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": close.code, "reason": close.reason}
        )
        try:
            self.conn.send_close(close.code, close.reason)
        except InvalidState:
            self.transport.abort()
            return
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        # Not close_timer: uvicorn ends that one with close(), which waits for the peer to read.
        self._grace = self.loop.call_later(grace_s, self.transport.abort)
        self.close_timer = self.loop.call_later(grace_s, self.transport.abort)

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

    def send_receive_event_to_app(self) -> None:
        """Hand a whole message to whoever is attached."""
        if self._sink is None or self.close_sent:
            super().send_receive_event_to_app()
            return
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.curr_msg_data_type == "bytes":
            self._sink.received(bytes(data))
            return
        try:
            text = bytes(data).decode()
        except UnicodeDecodeError:
            self.close(NOT_UTF8, self.close_timeout)
            return
        self._sink.received(text)

    def handle_close(self, event: Any) -> None:
        """Tell of the end as soon as the peer says it."""
        if not self.close_sent and self.conn.close_rcvd is not None:
            self._notify(self.conn.close_rcvd.code, self.conn.close_rcvd.reason)
        super().handle_close(event)

    def handle_parser_exception(self) -> None:
        """Tell of the end that a broken frame brings."""
        if self.conn.close_sent is not None:
            self._notify(self.conn.close_sent.code, self.conn.close_sent.reason)
        super().handle_parser_exception()

    def keepalive_timeout(self) -> None:
        """Let go of a peer that answers no ping."""
        self._notify(1011, "keepalive ping timeout")
        super().keepalive_timeout()
        # close() waits for a buffer that a dead peer never empties.
        self._abort_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell of the end where nobody said anything."""
        if self._grace is not None:
            self._grace.cancel()
        self._notify(1005 if self.handshake_complete else 1006, "")
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

    def shutdown(self) -> None:
        """Leave the goodbye to the endpoint, which spreads it over time."""
        if self._sink is not None and not self.close_sent:
            self._sink.drain()  # the endpoint sends everyone away in batches, with 1012
            return
        super().shutdown()
        self._abort_later()

    def _notify(self, code: int, reason: str) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.closed(code, reason)

    def _hand_over(self, event: Any) -> None:
        if self._sink is None:
            return
        if event["type"] == "websocket.receive":
            text = event.get("text")
            self._sink.received(event["bytes"] if text is None else text)
        else:
            self.queue.put_nowait(event)

    def _abort_later(self) -> None:
        if self._grace is None:
            self._grace = self.loop.call_later(self.close_timeout, self.transport.abort)
