"""`realtime.writer`: the bounded way out to one client, over a transport that takes frames."""

from realtime.close import RESTARTING, SLOW, Close
from realtime.serializer import V2_SERIALIZER
from realtime.way import Write
from realtime.writer import FramedWriter


class Line:
    """A transport of which a test says how much its peer has left unread."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.unread = 0
        self.closed: list[tuple[Close, float]] = []
        self.direct: Write = self.write

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def buffered(self) -> int:
        return self.unread

    def close(self, close: Close, grace_s: float) -> None:
        self.closed.append((close, grace_s))


def writer(line: Line, limit: int = 10) -> tuple[FramedWriter, list[int]]:
    overflows: list[int] = []
    made = FramedWriter(V2_SERIALIZER, line, limit=limit, grace_s=1.5)
    made.overflowed = overflows.append
    return made, overflows


def test_what_waits_is_one_write() -> None:
    made, overflows = writer(line := Line())
    made.flush()
    made.out += [b"one"]
    made.flush()
    made.out += [b"two", b"three"]
    made.flush()
    assert line.written == [b"one", b"twothree"]
    assert (made.out, overflows) == ([], [])


def test_a_client_that_does_not_read_is_let_go_at_the_limit() -> None:
    made, overflows = writer(line := Line())
    made.stalled, line.unread = 0.0, 6
    made.out += [b"1234"]
    made.flush()
    assert line.written == [b"1234"]
    made.out += [b"12345"]
    made.flush()
    assert overflows == [11]
    assert line.closed == [(SLOW, 1.5)]
    made.out += [b"more"]
    made.flush()
    made.close(RESTARTING)
    assert line.written == [b"1234"]
    assert len(line.closed) == 1


def test_one_burst_over_the_limit_counts_too() -> None:
    made, overflows = writer(line := Line())
    made.out += [b"12345678901"]
    made.flush()
    assert (overflows, line.written) == ([11], [])


def test_a_close_comes_behind_what_waits() -> None:
    made, overflows = writer(line := Line())
    made.out += [b"last"]
    made.close(RESTARTING)
    assert (line.written, line.closed, overflows) == ([b"last"], [(RESTARTING, 1.5)], [])
    assert made.waiting() == 0


def test_an_overflow_while_closing_closes_once() -> None:
    made, overflows = writer(line := Line())
    made.out += [b"12345678901"]
    made.close(RESTARTING)
    assert (overflows, line.closed) == ([11], [(SLOW, 1.5)])
