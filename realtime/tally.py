"""Counts what happens many times a tick, and tells of it once."""

import asyncio
from typing import Literal, TypeAlias

from realtime.telemetry import Handled, Telemetry

Outcome: TypeAlias = Literal["ok", "refused", "crashed"]


class Tally:
    """The messages that plain functions have handled in this tick, by kind."""

    __slots__ = ("_counts", "_telemetry")

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._counts: dict[tuple[str, str, Outcome], list[float]] = {}

    def add(self, pattern: str, event: str, outcome: Outcome, seconds: float) -> None:
        """Count one message."""
        counts = self._counts
        if not counts:
            asyncio.get_running_loop().call_soon(self._flush)
        try:
            count = counts[pattern, event, outcome]
        except KeyError:
            counts[pattern, event, outcome] = [1, seconds]
        else:
            count[0] += 1
            count[1] += seconds

    def _flush(self) -> None:
        counts, self._counts = self._counts, {}
        for (pattern, event, outcome), (count, seconds) in counts.items():
            self._telemetry.emit(Handled(pattern, event, outcome, seconds, int(count)))
