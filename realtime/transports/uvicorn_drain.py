"""A uvicorn that says when it stops, so that polls and event streams end as sockets do."""

# mypy: disable-error-code="explicit-override"
# typing.override is newer than Python 3.11, and the library needs no typing_extensions.

import socket
from collections.abc import Callable

import uvicorn


class DrainingServer(uvicorn.Server):
    """Calls `drain` before it waits for what is open: uvicorn tells nobody but websockets."""

    def __init__(self, config: uvicorn.Config, drain: Callable[[], None]) -> None:
        super().__init__(config)
        self._drain = drain

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Send everyone away, and stop."""
        self._drain()
        await super().shutdown(sockets)
