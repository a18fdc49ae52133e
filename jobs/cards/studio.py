"""Has a card rendered in a process of its own, and does not believe it before it has looked."""

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
from jobs.cards.model import FPS, HEIGHT, WIDTH, CardText
from jobs.cards.order import Made, Order, Progress, Report

WALL_SECONDS = 90.0
_NAME = "card.mp4"
_FOLDER = "lumen-card-"
_LEFT_SECONDS = 3600.0
_SHORTEST, _LONGEST = 5.5, 8.5
_MOST_BYTES = 1_500_000
_LINE_BYTES = 4096
_ERROR_BYTES = 2000
# What the process may know of this one: where its programs are, and no secret.
_INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

Hears: TypeAlias = Callable[[float], Awaitable[None]]


class NotRendered(Exception):
    """The process failed, took too long, or made something that is no card."""


class Rendered(Struct, frozen=True):
    """A film that was looked at, in a folder that goes when its owner is done."""

    path: Path
    width: int
    height: int
    duration_sec: float
    bytes: int


@asynccontextmanager
async def rendered(
    card: CardText, hears: Hears, *, within: float = WALL_SECONDS
) -> AsyncIterator[Rendered]:
    """Render a card; the film is there while the block runs, and nothing is left after it.

    Raises:
        NotRendered: there is no film, and the reason.

    """
    await asyncio.to_thread(_clear_away, Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=_FOLDER) as folder:
        made = await _made(card, Path(folder), hears, within)
        yield _looked_at(Path(folder) / _NAME, made)


def _clear_away(place: Path) -> None:
    """Remove what workers left that were killed: no rendering goes on for so long."""
    for folder in place.glob(f"{_FOLDER}*"):
        with contextlib.suppress(OSError):
            found = folder.lstat()
            if found.st_uid == os.getuid() and time.time() - found.st_mtime > _LEFT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


async def _made(card: CardText, folder: Path, hears: Hears, within: float) -> Made:
    complaints = folder / "complaints.txt"
    with complaints.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "jobs.cards.child", str(os.getpid())),
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
            made = await _heard(process, Order(card, _NAME), hears)
            code = await process.wait()
    except TimeoutError:
        raise NotRendered(f"The rendering took more than {within:g} s.") from None
    finally:
        # Also when this job is cancelled: nothing goes on without us.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        # Not `wait`: it never comes back while there is something in the pipe that nobody reads.
        await process.communicate()
    if code != 0 or made is None:
        raise NotRendered(f"The rendering ended with {code}: {_last_line(complaints)}")
    return made


async def _heard(process: Process, order: Order, hears: Hears) -> Made | None:
    """Hand over the order and listen until the process has no more to say."""
    assert process.stdin is not None  # noqa: S101 - it was asked for
    assert process.stdout is not None  # noqa: S101 - it was asked for
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(msgspec.json.encode(order))
        await process.stdin.drain()
    process.stdin.close()
    made: Made | None = None
    try:
        while line := await process.stdout.readline():
            match _report(line):
                case Progress(done):
                    await hears(done)
                case Made() as told:
                    made = told
    except ValueError as error:
        raise NotRendered("The rendering said more in one line than any report has.") from error
    return made


def _last_line(complaints: Path) -> str:
    with complaints.open("rb") as file:
        file.seek(max(0, complaints.stat().st_size - _ERROR_BYTES))
        words = file.read().decode(errors="replace").strip().splitlines()
    return words[-1] if words else "it said nothing."


def _report(line: bytes) -> Report:
    try:
        report: Report = msgspec.json.decode(line, type=Progress | Made)
    except msgspec.DecodeError as error:
        raise NotRendered("The rendering said something that is no report.") from error
    return report


def _looked_at(path: Path, made: Made) -> Rendered:
    """Check what the process says of its film, and the file itself."""
    as_planned = (made.width, made.height) == (WIDTH, HEIGHT) and (
        abs(made.frames / FPS - made.duration_sec) < 1 / FPS
    )
    if not as_planned or not _SHORTEST <= made.duration_sec <= _LONGEST:
        raise NotRendered(f"The film is not as planned: {made}.")
    size = path.stat().st_size
    if size != made.bytes or size > _MOST_BYTES:
        raise NotRendered(f"The film has {size} bytes.")
    if not starts_at_once(path):
        raise NotRendered("The film cannot be played before it is all there.")
    return Rendered(path, made.width, made.height, made.duration_sec, size)


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """Give the process what it needs to find itself, and no secret of ours."""
    kept = {name: given[name] for name in _INHERITED if name in given}
    root = str(Path(jobs.__file__).parent.parent)
    return {**kept, "PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1", **_ONE_THREAD}
