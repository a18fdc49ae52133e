"""Runs one of our modules in a process and a folder of its own: for what strangers made."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from asyncio import create_subprocess_exec, to_thread
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

import jobs

_ERROR_BYTES = 2000
_COMPLAINTS = "complaints.txt"
# What the process may know of this one: where its programs are, and no secret.
_INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@asynccontextmanager
async def workplace(prefix: str, *, left_seconds: float) -> AsyncIterator[Path]:
    """Make a folder that goes with the block; what killed workers left goes when it is so old."""
    await to_thread(clear_away, Path(tempfile.gettempdir()), prefix, left_seconds)
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        yield Path(folder)


def clear_away(place: Path, prefix: str, left_seconds: float) -> None:
    """Remove what workers left that were killed: no job goes on for so long."""
    for folder in place.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            found = folder.lstat()
            if found.st_uid == os.getuid() and time.time() - found.st_mtime > left_seconds:
                shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def process(module: str, folder: Path, *, line_bytes: int) -> AsyncIterator[Process]:
    """Run a module in a folder; the process and all that it started end with the block."""
    with (folder / _COMPLAINTS).open("wb") as stderr:
        started = await create_subprocess_exec(
            *(sys.executable, "-m", module, str(os.getpid())),
            stdin=PIPE,
            stdout=PIPE,
            stderr=stderr,
            cwd=folder,
            env=environment(os.environ),
            start_new_session=True,
            limit=line_bytes,
        )
    try:
        yield started
    finally:
        # Also when this job is cancelled: nothing goes on without us.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        # Not `wait`: it never comes back while there is something in the pipe that nobody reads.
        await started.communicate()


async def hand_over(started: Process, order: Struct) -> None:
    """Tell the process what to do; that it is gone already shows in how it ended."""
    assert started.stdin is not None  # noqa: S101 - it was asked for
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        started.stdin.write(msgspec.json.encode(order))
        await started.stdin.drain()
    started.stdin.close()


def last_line(folder: Path) -> str:
    """Give the last that the process complained of."""
    complaints = folder / _COMPLAINTS
    with complaints.open("rb") as file:
        file.seek(max(0, complaints.stat().st_size - _ERROR_BYTES))
        words = file.read().decode(errors="replace").strip().splitlines()
    return words[-1] if words else "it said nothing."


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Give the process what it needs to find itself, and no secret of ours."""
    kept = {name: given[name] for name in _INHERITED if name in given}
    root = str(Path(jobs.__file__).parent.parent)
    return {**kept, "PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1", **_ONE_THREAD}
