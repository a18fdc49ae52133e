"""The bounded way out to one client."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from realtime.close import SLOW, Close
from realtime.frame import Wire
from realtime.serializer import Serializer
from realtime.way import Write


class Lane(Protocol):
    """A transport that takes complete frames as bytes and never blocks."""

    direct: Write  # takes what it can at once, behind all that was written; the rest is for `late`

    def write(self, data: bytes) -> None:
        """Write bytes, behind all that was written."""

    def buffered(self) -> int:
        """Return how many bytes the peer has not taken yet."""

    def close(self, close: Close, grace_s: float) -> None:
        """Send a close frame; abort what is still open after `grace_s`."""


class Writer(Protocol):
    """What is waiting for one client; the fan-out fills it and flushes it once a tick."""

    serializer: Serializer
    framed: bool
    stalled: float | None  # since when the client takes nothing, by the loop's clock
    out: list[Any]  # bytes where framed, else Wire
    overflowed: Callable[[int], None]  # told when the client was let go for not reading
    topics: dict[str, int]  # those whose broadcasts come without a detour, and as which member

    @property
    def direct(self) -> Write | None:
        """What takes a broadcast past the writer, as long as the client reads."""

    def flush(self) -> None:
        """Hand over what is waiting. Never blocks."""

    def close(self, close: Close) -> None:
        """Hand over what is waiting, then the close frame."""

    def waiting(self) -> int:
        """Return how many bytes the client has not taken."""


def ignore_overflow(waiting: int) -> None:
    """Stand in until a connection listens."""


def batch(wires: Sequence[Wire], *, framed: bool) -> list[Any]:
    """Return several messages as few pieces: one where the transport takes bytes."""
    if not framed:
        return list(wires)
    return [b"".join([wire.framed for wire in wires])] if wires else []


class FramedWriter:
    """Writes shared bytes to a transport, once a tick, and lets go of a client that never reads."""

    __slots__ = ("_grace_s", "_lane", "_limit", "_write", "closing", "direct", "out",
                 "overflowed", "serializer", "stalled", "topics")  # fmt: skip
    framed = True

    def __init__(
        self,
        serializer: Serializer,
        lane: Lane,
        *,
        limit: int,
        grace_s: float,
    ) -> None:
        self.serializer = serializer
        self.out: list[bytes] = []
        self.topics: dict[str, int] = {}
        self.stalled: float | None = None
        self.closing = False
        self._lane = lane
        self._write = lane.write
        self.direct = lane.direct
        self._limit = limit
        self._grace_s = grace_s
        self.overflowed: Callable[[int], None] = ignore_overflow

    def write_now(self, data: bytes) -> bool:
        """Write a frame unless others wait, the client reads nothing, or it is being closed."""
        if self.out or self.closing or self.stalled is not None or len(data) > self._limit:
            return False
        self._write(data)
        return True

    def flush(self) -> None:
        """Write what is waiting in one call, unless too much is waiting already."""
        out = self.out
        if not out or self.closing:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        waiting = len(data) + (0 if self.stalled is None else self._lane.buffered())
        if waiting > self._limit:
            self.close(SLOW)
            self.overflowed(waiting)
            return
        self._write(data)

    def close(self, close: Close) -> None:
        """Write what is waiting and the close frame."""
        if close is not SLOW:
            self.flush()
        if not self.closing:  # the flush may have found too much waiting, and closed
            self.closing = True
            self.out.clear()
            self._lane.close(close, self._grace_s)

    def waiting(self) -> int:
        """Return how many bytes the client has not taken."""
        return self._lane.buffered()
