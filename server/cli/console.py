"""What the person at the terminal reads while things start, run and stop."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_NAME_WIDTH = 8


class Console:
    """One line for each step, whole lines from each child, never a line inside another."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._in_line = False
        self._began = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the console was made."""
        return time.monotonic() - self._began

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Tell of a step when it begins and, on the same line, how long it took."""
        began = time.monotonic()
        with self._lock:
            self._begin_line(f"  {what} ... ")
            self._in_line = True
        try:
            yield
        except BaseException:
            self._finish("stopped", what)
            raise
        self._finish(f"{time.monotonic() - began:.1f} s", what)

    def say(self, sentence: str) -> None:
        """Tell something."""
        with self._lock:
            self._begin_line(f"{sentence}\n")

    def relay(self, name: str, line: str) -> None:
        """Pass on a line that a child wrote."""
        with self._lock:
            self._begin_line(f"{name:<{_NAME_WIDTH}} | {line}\n")

    def _finish(self, how: str, what: str) -> None:
        with self._lock:
            # A child's line may have come in between; then the step is named again.
            self._write(f"{how}\n" if self._in_line else f"  {what}: {how}\n")
            self._in_line = False

    def _begin_line(self, text: str) -> None:
        self._write(f"\n{text}" if self._in_line else text)
        self._in_line = False

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError):
            return  # nobody reads any more; what runs goes on
