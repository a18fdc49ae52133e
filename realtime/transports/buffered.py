"""The way out to a client who fetches what waits, or is sent it piece by piece."""

from collections.abc import Callable

from realtime.close import SLOW, Close
from realtime.frame import Wire
from realtime.serializer import Serializer
from realtime.way import Write
from realtime.writer import ignore_overflow


class BufferedWriter:
    """Keeps what is for one client until its transport takes it; too much ends the connection."""

    framed = False

    def __init__(self, serializer: Serializer, *, limit: int, news: Callable[[], None]) -> None:
        self.serializer = serializer
        self.out: list[Wire] = []
        self.topics: dict[str, int] = {}
        self.direct: Write | None = None
        self.stalled: float | None = None
        self.overflowed: Callable[[int], None] = ignore_overflow
        self.closed: Close | None = None
        self._limit = limit
        self._news = news
        self._kept: list[Wire] = []
        self._bytes = 0

    def flush(self) -> None:
        """Put what is new behind what waits, unless that would be too much."""
        if self.closed is not None or not self.out:
            return
        self._kept += self.out
        self._bytes += sum(len(wire.data) for wire in self.out)
        self.out.clear()
        if self._bytes > self._limit:
            waiting = self._bytes
            self.close(SLOW)
            self.overflowed(waiting)
        else:
            self._news()

    def close(self, close: Close) -> None:
        """Keep the goodbye behind what waits; a client that was too slow gets nothing more."""
        if self.closed is not None:
            return
        if close is SLOW:
            self.out.clear()
            self.take()
        else:
            self.flush()
        if self.closed is None:  # else the flush found too much waiting, and closed
            self.closed = close
            self._news()

    def take(self) -> list[Wire]:
        """Hand over what waits."""
        kept, self._kept, self._bytes = self._kept, [], 0
        return kept

    def waiting(self) -> int:
        """Return how many bytes the client has not been given."""
        return self._bytes
