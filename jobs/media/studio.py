"""Has a file encoded in a process of its own, and does not believe it before it has looked."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec import Struct

import jobs
from jobs.cards.boxes import starts_at_once
from jobs.media.model import Bounds, Encoded
from jobs.media.order import Declined, Made, Order, Progress, Report

_FOLDER = "lumen-encode-"
_SOURCE, _OUT = "source", "made"
_LEFT_SECONDS = 24 * 3600.0
_LINE_BYTES = 1 << 20
_ERROR_BYTES = 2000
_INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# A process that has said nothing for so long is at nothing that ends.
SILENCE_SECONDS = 600.0
_LEAST_CPU_SECONDS = 120
_CPU_SECONDS_EACH_MEGABYTE = 60
_MOST_CPU_SECONDS = 12 * 3600
# What is made may be so many times the source, and at least so much.
_SWELLING = 8
_LEAST_BYTES = 64 << 20
_SUFFIXES = {".mp4", ".m4a", ".m3u8", ".jpg", ".vtt", ".json"}

Hears: TypeAlias = Callable[[float], Awaitable[None]]
Fetches: TypeAlias = Callable[[Path], Awaitable[None]]


class NotEncoded(Exception):
    """The process failed, took too long, or made something that cannot be."""


class NotOurs(Exception):
    """The file is not one that we encode; the sentence is for its owner."""


class Result(Struct, frozen=True):
    """What was made, in a folder that goes when its owner is done."""

    folder: Path
    encoded: Encoded
    files: tuple[str, ...]


@asynccontextmanager
async def encoded(
    fetch: Fetches, hears: Hears, *, bounds: Bounds | None = None, within: float
) -> AsyncIterator[Result]:
    """Encode the file that is fetched; the results are there while the block runs.

    Raises:
        NotOurs: it is nothing that we encode.
        NotEncoded: it could not be encoded, and the reason.

    """
    await asyncio.to_thread(_clear_away, Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=_FOLDER) as name:
        folder = Path(name)
        await fetch(folder / _SOURCE)
        (folder / _OUT).mkdir()
        made = await _made(folder, hears, bounds or Bounds(), within)
        yield await asyncio.to_thread(_looked_at, folder / _OUT, made)


def _clear_away(place: Path) -> None:
    """Remove what workers left that were killed: no encoding goes on for so long."""
    for folder in place.glob(f"{_FOLDER}*"):
        with contextlib.suppress(OSError):
            found = folder.lstat()
            if found.st_uid == os.getuid() and time.time() - found.st_mtime > _LEFT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _order(folder: Path, bounds: Bounds) -> Order:
    size = (folder / _SOURCE).stat().st_size
    seconds = _LEAST_CPU_SECONDS + _CPU_SECONDS_EACH_MEGABYTE * (size >> 20)
    return Order(
        source=_SOURCE,
        folder=_OUT,
        bounds=bounds,
        cpu_seconds=min(_MOST_CPU_SECONDS, seconds),
        most_bytes=max(_LEAST_BYTES, _SWELLING * size),
    )


async def _made(folder: Path, hears: Hears, bounds: Bounds, within: float) -> Encoded:
    complaints = folder / "complaints.txt"
    with complaints.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "jobs.media.child", str(os.getpid())),
            stdin=PIPE,
            stdout=PIPE,
            stderr=stderr,
            cwd=folder,
            env=_environment(os.environ),
            start_new_session=True,
            limit=_LINE_BYTES,
        )
    try:
        async with asyncio.timeout(within):
            made = await _heard(process, _order(folder, bounds), hears)
            code = await process.wait()
    except TimeoutError:
        raise NotEncoded(f"The encoding took more than {within:g} s.") from None
    finally:
        # Also when this job is cancelled: nothing goes on without us.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        # Not `wait`: it never comes back while there is something in the pipe that nobody reads.
        await process.communicate()
    if code == -signal.SIGXCPU:
        raise NotOurs("It takes longer to encode than any film of its size may.")
    if code != 0 or made is None:
        raise NotEncoded(f"The encoding ended with {code}: {_last_line(complaints)}")
    return made


async def _heard(process: Process, order: Order, hears: Hears) -> Encoded | None:
    """Hand over the order and listen until the process has no more to say."""
    assert process.stdin is not None  # noqa: S101 - it was asked for
    assert process.stdout is not None  # noqa: S101 - it was asked for
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(msgspec.json.encode(order))
        await process.stdin.drain()
    process.stdin.close()
    made: Encoded | None = None
    try:
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                line = await process.stdout.readline()
            if not line:
                return made
            match _report(line):
                case Progress(done):
                    await hears(done)
                case Made(told):
                    made = told
                case Declined(reason):
                    raise NotOurs(reason[:300])
    except ValueError as error:
        raise NotEncoded("The encoding said more in one line than any report has.") from error


def _report(line: bytes) -> Report:
    try:
        report: Report = msgspec.json.decode(line, type=Progress | Made | Declined)
    except msgspec.DecodeError as error:
        raise NotEncoded("The encoding said something that is no report.") from error
    return report


def _last_line(complaints: Path) -> str:
    with complaints.open("rb") as file:
        file.seek(max(0, complaints.stat().st_size - _ERROR_BYTES))
        words = file.read().decode(errors="replace").strip().splitlines()
    return words[-1] if words else "it said nothing."


def _looked_at(folder: Path, made: Encoded) -> Result:
    """Check that the files are those that were told of, and begin as players want them to."""
    names = tuple(sorted(each.name for each in folder.iterdir()))
    told = set(made.files)
    if not told <= set(names):
        raise NotEncoded(f"It said it made {sorted(told - set(names))}.")
    for name in told:
        path = folder / name
        if path.suffix not in _SUFFIXES or path.is_symlink() or not path.is_file():
            raise NotEncoded(f"It made {name!r}, which nobody asked for.")
    for each in made.renditions:
        if not starts_at_once(folder / each.film):
            raise NotEncoded("The film cannot be played before it is all there.")
    return Result(folder, made, tuple(sorted(told)))


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """Give the process what it needs to find itself, and no secret of ours."""
    kept = {name: given[name] for name in _INHERITED if name in given}
    root = str(Path(jobs.__file__).parent.parent)
    return {**kept, "PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1", **_ONE_THREAD}
