"""Has a file encoded in a process of its own, and does not believe it before it has looked."""

import asyncio
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec import Struct

from jobs import apart
from jobs.cards.boxes import starts_at_once
from jobs.media.model import Bounds, Encoded
from jobs.media.order import Declined, Made, Order, Progress, Report

_FOLDER = "lumen-encode-"
_SOURCE, _OUT = "source", "made"
_LEFT_SECONDS = 24 * 3600.0
_LINE_BYTES = 1 << 20
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
    async with apart.workplace(_FOLDER, left_seconds=_LEFT_SECONDS) as folder:
        await fetch(folder / _SOURCE)
        (folder / _OUT).mkdir()
        made = await _made(folder, hears, bounds or Bounds(), within)
        yield await asyncio.to_thread(_looked_at, folder / _OUT, made)


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
    try:
        async with (
            apart.process("jobs.media.child", folder, line_bytes=_LINE_BYTES) as process,
            asyncio.timeout(within),
        ):
            made = await _heard(process, _order(folder, bounds), hears)
            code = await process.wait()
    except TimeoutError:
        raise NotEncoded(f"The encoding took more than {within:g} s.") from None
    if code == -signal.SIGXCPU:
        raise NotOurs("It takes longer to encode than any film of its size may.")
    if code != 0 or made is None:
        raise NotEncoded(f"The encoding ended with {code}: {apart.last_line(folder)}")
    return made


async def _heard(process: Process, order: Order, hears: Hears) -> Encoded | None:
    """Hand over the order and listen until the process has no more to say."""
    assert process.stdout is not None  # noqa: S101 - it was asked for
    await apart.hand_over(process, order)
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
