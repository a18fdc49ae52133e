"""A protocol class for uvicorn's HTTP: whoever asks for a websocket is let straight into the lane.

`uvicorn.run(app, http=DoorProtocol, ws=FastlaneProtocol, ...)`. uvicorn else parses every request
for HTTP first, with objects for a request and its answer, and then puts one that asks for an
upgrade together again. What is no such request, or an unusual one, goes on to uvicorn's own class
as if it had come to it, and the connection stays there.
"""

# mypy: disable-error-code="explicit-override"
# typing.override is newer than Python 3.11, and nothing else here needs typing_extensions.

import asyncio
from asyncio.transports import BaseTransport
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.server import ServerState

from realtime.transports.upgrade import read_upgrade
from realtime.transports.uvicorn_fastlane import FastlaneProtocol


class DoorProtocol(asyncio.Protocol):
    """One connection, until it has said what it wants."""

    __slots__ = ("_app_state", "_config", "_loop", "_state", "_transport")

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config = config
        self._state = server_state
        self._app_state = app_state
        self._loop = _loop

    def connection_made(self, transport: BaseTransport) -> None:
        """Take the transport, and wait for the first bytes."""
        self._transport = cast("asyncio.Transport", transport)
        self._state.connections.add(self)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Hand the connection on to the class that speaks what the client speaks."""
        self._state.connections.discard(self)
        asked = None if self._config.ws_per_message_deflate else read_upgrade(data)
        lane = self._config.ws_protocol_class
        if asked is not None and lane is FastlaneProtocol:
            fast = FastlaneProtocol(self._config, self._state, self._app_state)
            fast.connection_made(self._transport)
            fast.asked(asked, data)
            self._transport.set_protocol(fast)
            return
        stock: Any = AutoHTTPProtocol
        plain = stock(self._config, self._state, self._app_state, self._loop)
        plain.connection_made(self._transport)
        self._transport.set_protocol(plain)
        plain.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a client that never said anything."""
        self._state.connections.discard(self)
        if exc is None:
            self._transport.close()

    def shutdown(self) -> None:
        """Let go of a client that has not said anything yet."""
        self._transport.close()
