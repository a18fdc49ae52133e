"""Counts what happens many times a second, and tells of it a few times."""

import asyncio
from typing import Final, Literal, TypeAlias

from realtime.telemetry import Handled, Telemetry

Outcome: TypeAlias = Literal["ok", "refused", "crashed"]
Count: TypeAlias = list[float]  # how many; the seconds of those that were timed; how many were

EVERY_S: Final = 0.05
_MOST_EVENTS: Final = 256


class Tally:
    """The messages that channels have handled since it was last told of them, by kind."""

    __slots__ = ("_counts", "_telemetry", "_timer")

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._counts: dict[tuple[str, Outcome], dict[str, Count]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def of(self, pattern: str, outcome: Outcome = "ok") -> dict[str, Count]:
        """Return the counts of one pattern by event; they are emptied whenever they are told.

        Who finds an event here may count one more by itself; else `add` begins it anew.
        """
        return self._counts.setdefault((pattern, outcome), {})

    def add(self, pattern: str, event: str, outcome: Outcome, seconds: float) -> None:
        """Count one message and the time that it took, which is 0 if nobody looked."""
        counts = self.of(pattern, outcome)
        if len(counts) >= _MOST_EVENTS:  # which clients may invent
            self.tell()
        count = counts.setdefault(event, [0, 0.0, 0])
        count[0] += 1
        count[1] += seconds
        count[2] += seconds > 0
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY_S, self.tell)

    def tell(self) -> None:
        """Tell of what was counted; the time of all is reckoned from those that were timed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for (pattern, outcome), counts in self._counts.items():
            told = tuple(counts.items())
            counts.clear()
            for event, (count, seconds, timed) in told:
                event_told = Handled(
                    pattern, event, outcome, seconds * count / (timed or 1), int(count)
                )
                self._telemetry.emit(event_told)
