"""Child processes that cannot outlive us, watched and ended without trusting a number alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil
from msgspec import Struct

from server.embedded import child
from server.embedded.identity import AS_WE_ARE, Identity

_POLL_SECONDS = 0.02


class Program(Struct, frozen=True, kw_only=True):
    """What to start, and how it is to live and die."""

    command: Sequence[str | Path]
    environ: Mapping[str, str]
    death_signal: signal.Signals  # what it gets when we die without a word
    identity: Identity = AS_WE_ARE
    nice: int = 0
    folder: Path | None = None  # where it works; with us by default


def spawn(program: Program, output: IO[bytes] | int | None) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own that cannot outlive us.

    To be called from the main thread: the kernel counts the end of the starting thread as the end
    of the parent.
    """
    wrapper = [sys.executable, "-I", "-S", str(Path(child.__file__))]
    wrapper += ["--parent", str(os.getpid()), "--death-signal", str(int(program.death_signal))]
    wrapper += ["--nice", str(program.nice), *program.identity.options(), "--"]
    return subprocess.Popen(  # noqa: S603 (every word of it is ours)
        [*wrapper, *map(str, program.command)],
        env=dict(program.environ),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=program.folder,
        start_new_session=True,
    )


def end(process: subprocess.Popen[bytes], how: signal.Signals, within: float) -> bool:
    """Ask a child to end and kill it when it does not; whether asking was enough."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def wait_until(holds: Callable[[], bool], within: float) -> bool:
    """Look again and again until something holds; whether it came to."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def living_in(directory: Path, program: str) -> list[psutil.Process]:
    """The processes of a program that work in a directory, as servers do in their data.

    A number in a pid file may by now belong to a stranger or to a zombie; where a process lives
    cannot be mistaken.
    """
    place = str(directory.resolve())
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if process.info["name"] == program and process.cwd() == place:
                found.append(process)
        except psutil.Error:  # gone, a zombie, or another user's: none of them ours
            continue
    return found


def end_leftovers(directory: Path, program: str, how: signal.Signals, within: float) -> int:
    """End what an earlier start left behind in a directory; how many processes there were."""
    leftovers = living_in(directory, program)
    for process in leftovers:
        _signal(process, how)
    if not wait_until(lambda: not living_in(directory, program), within):
        for process in living_in(directory, program):
            _signal(process, signal.SIGKILL)
        wait_until(lambda: not living_in(directory, program), within)
    return len(leftovers)


def _signal(process: psutil.Process, how: signal.Signals) -> None:
    try:
        process.send_signal(how)
    except psutil.NoSuchProcess:
        return
