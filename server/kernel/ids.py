"""Time-ordered ids: UUID version 7 (RFC 9562, 5.7) with a monotonic counter (6.2, method 1)."""

import secrets
import threading
import time
from datetime import UTC, datetime
from uuid import UUID

_COUNTER_BITS = 12
_COUNTER_MASK = (1 << _COUNTER_BITS) - 1


class _Sequence:
    """The last id's millisecond and counter: one process never emits ids out of order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._millis = 0
        self._counter = 0

    def next(self, now_millis: int) -> tuple[int, int]:
        with self._lock:
            if now_millis > self._millis:
                self._millis = now_millis
                # The top bit starts clear, which leaves 2,048 increments before a borrow of time.
                self._counter = secrets.randbits(_COUNTER_BITS - 1)
            elif self._counter < _COUNTER_MASK:
                self._counter += 1
            else:
                self._millis += 1
                self._counter = 0
            return self._millis, self._counter


_sequence = _Sequence()


def new_id() -> UUID:
    """Make an id that sorts after every id this process has made before."""
    millis, counter = _sequence.next(time.time_ns() // 1_000_000)
    return _pack(millis, counter, secrets.randbits(62))


def floor_of(moment: datetime) -> UUID:
    """Give the least id of a moment: a bound for partitions and for queries by time."""
    return _pack(int(moment.timestamp() * 1000), 0, 0)


def moment_of(identifier: UUID) -> datetime:
    """Read the millisecond at which an id was made."""
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, tz=UTC)


def _pack(millis: int, counter: int, random: int) -> UUID:
    return UUID(int=millis << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | random)
