"""What a figure needs beside it: wall and CPU time, how idle the machine was, which commit."""

import json
import os
import resource
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Machine:
    """Times a block; `row` prints a line of JSON about it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.wall_seconds = self.cpu_seconds = self.children_seconds = self.idle_share = 0.0

    def __enter__(self) -> Self:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        self._children, self._idle = _children(), _idle()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.wall_seconds = time.perf_counter() - self._wall
        self.cpu_seconds = time.process_time() - self._cpu
        self.children_seconds = _children() - self._children
        cores = os.cpu_count() or 1
        self.idle_share = (_idle() - self._idle) / (self.wall_seconds * cores)

    def row(self, **figures: Any) -> None:
        """Print the figures with what they have to be read with."""
        told = {
            "what": self._name,
            **figures,
            "wall_s": round(self.wall_seconds, 3),
            "cpu_s": round(self.cpu_seconds + self.children_seconds, 3),
            "idle_share": round(self.idle_share, 2),
            "commit": _commit(),
        }
        print(json.dumps(told))


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _idle() -> float:
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return int(fields[4]) / os.sysconf("SC_CLK_TCK")


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"
