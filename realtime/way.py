"""The shortest way out to a client: its socket itself, while nothing else waits to be written.

A transport collects what it is given until the end of the tick, and writes with `write`, which
asks more of the kernel than `send` does. So bytes are sent past the transport as long as it holds
none itself; what the socket does not take goes to the transport, and what follows goes behind it.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Iterable
from typing import TypeAlias

# Says how many bytes were taken, or None where all are; what was not is given to `late`.
Write: TypeAlias = Callable[[bytes], int | None]

_STREAM = socket.SOCK_STREAM | getattr(socket, "SOCK_NONBLOCK", 0)  # as the transport has made it


class Way(socket.SocketType):
    """The socket of a transport, which stays the transport's; `send` is what it is for.

    While it is shut `send` raises, as it does where the socket takes nothing. Whoever sends
    hands on to `late` then, and need not know why.
    """

    __slots__ = ("_transport",)

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(-1, _STREAM, 0, transport.get_extra_info("socket").fileno())
        self._transport = transport
        if transport.get_write_buffer_size():
            self.shut()

    def __del__(self) -> None:
        self.shut()  # else the socket would be closed with it

    def shut(self) -> None:
        """Keep `send` from the socket, which is not closed by this."""
        self.detach()

    def write(self, data: bytes) -> None:
        """Send, or write behind what waits in the transport."""
        if self.fileno() < 0 and not self._opens():
            self._transport.write(data)
            return
        try:
            taken = self.send(data)
        except OSError:
            taken = 0
        if taken != len(data):
            self.shut()
            self._transport.write(data[taken:])

    def later(self, data: bytes) -> None:
        """Let the transport write what the socket did not take, and keep others behind it."""
        if self.fileno() < 0:
            self.write(data)
        else:
            self.shut()
            self._transport.write(data)

    def _opens(self) -> bool:
        """Send to the socket again if the transport has written all."""
        if self._transport.is_closing() or self._transport.get_write_buffer_size():
            return False
        self.__init__(self._transport)  # type: ignore[misc] # makes no new object that others lack
        return self.fileno() >= 0


def way_past(transport: asyncio.Transport) -> Way | None:
    """Return the way past a transport that does nothing to the bytes."""
    there = transport.get_extra_info("socket")
    if there is None or transport.get_extra_info("sslcontext") is not None or os.name != "posix":
        return None
    return Way(transport)


def late(write: Write, data: bytes, taken: int | None) -> None:
    """Hand on what was not taken, behind what waits already."""
    way = getattr(write, "__self__", None)
    if taken is not None and isinstance(way, Way):
        way.later(data[taken:])


def write_each(writes: Iterable[Write], data: bytes) -> None:
    """Write the same to many, none of whom is in the way of another."""
    size = len(data)
    left = iter(writes)
    for write in left:
        try:
            taken = write(data)
            while taken == size:  # one `try` for all that goes well
                write = next(left)  # noqa: PLW2901
                taken = write(data)
        except StopIteration:
            return
        except OSError:
            taken = 0
        late(write, data, taken)
