"""A uvicorn that says when it stops, so that polls and event streams end as sockets do."""

# mypy: disable-error-code="explicit-override"
# typing.override is newer than Python 3.11, and the library needs no typing_extensions.

import socket
from collections.abc import Awaitable, Callable

import uvicorn


class DrainingServer(uvicorn.Server):
    """Calls `drain` before it waits for what is open: uvicorn tells nobody but websockets.

    It goes on serving while it awaits `notice`, in which an app says that it is not ready any
    more, so that whoever sends clients here stops before nobody is let in.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        drain: Callable[[], None],
        notice: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(config)
        self._drain = drain
        self._notice = notice

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Give notice, send everyone away, and stop."""
        if self._notice is not None:
            await self._notice()
        self._drain()
        await super().shutdown(sockets)
