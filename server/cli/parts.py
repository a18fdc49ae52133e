"""The processes of Lumen as the supervisor sees them: to start, to watch and to end."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Protocol

from server.cli.console import Console
from server.embedded import EmbeddedError, process

_LINE_BYTES = 8192
_TOLD_LINES = 15


class Part(Protocol):
    """Something that runs as a process of its own and is started again when it ends."""

    @property
    def name(self) -> str:
        """What the person at the terminal calls it."""
        ...

    @property
    def pid(self) -> int | None:
        """The process while it runs."""
        ...

    def start(self) -> None:
        """Start it; return when it is of use."""
        ...

    def ask_to_stop(self) -> None:
        """Begin a clean end, without waiting for it."""
        ...

    def stop(self) -> None:
        """End it cleanly, and hard when that takes too long."""
        ...


class PythonPart:
    """A part of Lumen, run as `python -m …` in a process of its own."""

    def __init__(
        self,
        name: str,
        arguments: list[str],
        environ: Mapping[str, str],
        *,
        console: Console | None = None,
        log: Path | None = None,
        nice: int = 0,
    ) -> None:
        """Take what to run; what it writes goes to a console or a log, or where ours goes."""
        self.name = name
        self._program = process.Program(
            command=[sys.executable, "-m", *arguments],
            environ=environ,
            # We were killed, so nobody is left to wait for a clean end or to notice a missing one.
            death_signal=signal.SIGKILL,
            nice=nice,
        )
        self._console = console
        self._log = log
        self._ready: Callable[[], bool] | None = None
        self._start_seconds = 0.0
        self._run_seconds = 600.0
        self.stop_seconds = 10.0
        self._process: subprocess.Popen[bytes] | None = None

    def ready_when(self, holds: Callable[[], bool], within: float) -> "PythonPart":
        """Count it as started only when something holds."""
        self._ready, self._start_seconds = holds, within
        return self

    @property
    def pid(self) -> int | None:
        """The process while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """How it ended, if it did."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start it, and wait until it is ready if there is a way to tell.

        Raises:
            EmbeddedError: it ended, or was not ready in time.

        """
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it without waiting."""
        if self._log is not None:
            with self._log.open("wb") as output:
                self._process = process.spawn(self._program, output)
            return
        pipe = None if self._console is None else subprocess.PIPE
        self._process = process.spawn(self._program, pipe)
        if self._console is not None and self._process.stdout is not None:
            relay = (self._process.stdout, self._console, self.name)
            threading.Thread(target=_relay, args=relay, daemon=True).start()

    def wait_ready(self) -> None:
        """Wait until it is ready."""
        ready = self._ready
        if ready is None:
            return
        if not process.wait_until(lambda: self.pid is None or ready(), self._start_seconds):
            self.stop()  # or the next one would find its place taken
            raise EmbeddedError(f"{self.name} was not ready within {self._start_seconds:.0f} s.")
        if self.pid is None:
            raise EmbeddedError(f"{self.name} ended with code {self.exit_code}.")

    def run(self) -> None:
        """Run it to its end.

        Raises:
            EmbeddedError: it ended with another code than 0.

        """
        self.launch()
        try:
            process.wait_until(lambda: self.pid is None, within=self._run_seconds)
        finally:
            self.stop()
        if self.exit_code != 0:
            raise EmbeddedError(f"{self.name} ended with code {self.exit_code}.\n{self._said()}")

    def _said(self) -> str:
        text = self._log.read_text("utf-8", "replace") if self._log is not None else ""
        return "\n".join(text.splitlines()[-_TOLD_LINES:])

    def ask_to_stop(self) -> None:
        """Begin a clean end, without waiting for it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """End it cleanly, and hard when that takes too long."""
        if self._process is not None:
            process.end(self._process, signal.SIGTERM, self.stop_seconds)


def _relay(output: IO[bytes], console: Console, name: str) -> None:
    with output:
        # In pieces: a line without an end must not be collected for ever.
        while piece := output.readline(_LINE_BYTES):
            console.relay(name, piece.decode("utf-8", "replace").rstrip("\n"))
