"""uvicorn's own websocket class, for the apps and the requests that do not take the lane."""

# mypy: disable-error-code="explicit-override"
# typing.override is newer than Python 3.11, and nothing else here needs typing_extensions.

import asyncio
import logging
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

# uvicorn writes the query string of every accepted socket at INFO, and a token may be in it.
_quiet = logging.getLogger("uvicorn.error.realtime")


def quiet_logger() -> logging.Logger:
    """Return a logger that is told of failures and of no query strings."""
    if _quiet.level != logging.WARNING:  # uvicorn's own set-up of logs takes it back
        _quiet.setLevel(logging.WARNING)
    return _quiet


class StockProtocol(WebSocketsSansIOProtocol):
    """The same, but it writes no query strings, and no peer can keep it for ever."""

    _abort: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = quiet_logger()
        self.conn.debug = False  # it would write the headers

    def calls(self, task: "asyncio.Task[None] | None") -> None:
        """Wait for a call of the app that is under way already, instead of making one."""
        if task is not None:

            async def wait(*_: Any) -> None:
                await task

            self.app = wait

    async def run_asgi(self) -> None:
        """Call the app; to refuse a client with a status of its own is no failure to be logged."""
        try:
            await self.app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except BaseException:
            self.logger.exception("the websocket app failed")
            self.send_500_response()
        else:
            if not self.handshake_complete:
                self.send_500_response()  # which it does not where the app has answered
        if self.close_timer is None:
            self.transport.close()

    def keepalive_timeout(self) -> None:
        """Let go of a peer that answers no ping, even where it leaves its buffer full."""
        super().keepalive_timeout()
        self._abort_later()

    def shutdown(self) -> None:
        """Say goodbye; a peer that does not take it is let go of."""
        super().shutdown()
        self._abort_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer too."""
        if self._abort is not None:
            self._abort.cancel()
        super().connection_lost(exc)

    def _abort_later(self) -> None:
        if self._abort is None:
            self._abort = self.loop.call_later(self.close_timeout, self.transport.abort)
