"""Keeps a row of parts running: starts them in order, again when they fall, and ends them."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Self

from msgspec import Struct

from server.cli.console import Console
from server.cli.parts import Part
from server.embedded import EmbeddedError

LOOK_SECONDS = 0.1
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 15.0
# One that has lived this long was well: the next fall counts as its first.
WELL_SECONDS = 30.0
MOST_FALLS = 10


class Stopped(BaseException):
    """The end was asked for while things were still starting."""


class GaveUpError(RuntimeError):
    """A part fell too often in a row."""


class Watched(Struct):
    """How a part has fared."""

    part: Part
    started_at: float
    falls: int = 0
    again_at: float | None = None


def wait_after(falls: int) -> float:
    """How long to wait before the next start, after so many falls in a row."""
    return float(min(FIRST_WAIT_SECONDS * 2 ** (falls - 1), LONGEST_WAIT_SECONDS))


class Supervisor:
    """Runs stages of parts, each stage after the one before it; ends them the other way round.

    The first signal asks for a clean end, the second kills.
    """

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._now = now
        self._stages: list[list[Watched]] = []
        self._signals = 0
        self._starting = True
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Whoever started us under nohup wants us to outlive the terminal.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() itself gave

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._signals += 1
        if self._signals > 1:
            self._kill_all()
        elif self._starting:
            raise Stopped

    def _kill_all(self) -> None:
        # Signals and nothing else: this runs in the middle of whatever was interrupted.
        for each in self._all():
            if (pid := each.part.pid) is not None:
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)

    @property
    def asked_to_stop(self) -> bool:
        """Whether a signal has come."""
        return self._signals > 0

    def _all(self) -> list[Watched]:
        return [each for stage in self._stages for each in stage]

    def start(self, *parts: Part, saying: str) -> None:
        """Start a stage; its parts start one after the other."""
        stage: list[Watched] = []
        self._stages.append(stage)
        with self._console.step(saying):
            for part in parts:
                stage.append(Watched(part, self._now()))
                part.start()

    def watch(self, each_time: Callable[[], None] = lambda: None) -> None:
        """Keep everything running until a signal asks for the end.

        Raises:
            GaveUpError: a part fell too often in a row.

        """
        self.settle()
        while not self.asked_to_stop:
            for each in self._all():
                self.look_after(each)
            each_time()
            time.sleep(LOOK_SECONDS)

    def look_after(self, each: Watched) -> None:
        """See whether a part runs; when it does not, start it after a wait."""
        now = self._now()
        if each.again_at is not None:
            if now >= each.again_at:
                self._start_again(each)
        elif each.part.pid is None:
            if now - each.started_at >= WELL_SECONDS:
                each.falls = 0
            self._fell(each, "has ended")

    def _fell(self, each: Watched, how: str) -> None:
        each.falls += 1
        name = each.part.name
        if each.falls > MOST_FALLS:
            raise GaveUpError(f"{name} {how} {each.falls} times in a row: stopping everything.")
        wait = wait_after(each.falls)
        each.again_at = self._now() + wait
        self._console.say(f"  {name} {how} unexpectedly; starting it again in {wait:.1f} s.")

    def _start_again(self, each: Watched) -> None:
        each.again_at = None
        try:
            each.part.start()
        except EmbeddedError as error:
            self._console.say(f"  {error}")
            self._fell(each, "does not start and")
            return
        each.started_at = self._now()
        self._console.say(f"  {each.part.name} runs again (process {each.part.pid}).")

    def settle(self) -> None:
        """From here on a first signal is only noted: what follows must not be cut in two."""
        self._starting = False

    def stop(self) -> None:
        """End every stage, the last one first; within a stage all end together."""
        self.settle()
        for stage in reversed(self._stages):
            for each in stage:
                each.part.ask_to_stop()
            for each in stage:
                each.part.stop()
        self._stages.clear()
