"""Has a picture developed in a process of its own, and does not believe it before it has looked."""

import asyncio
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import msgspec

from jobs import apart
from jobs.pictures.order import Developed, Order, Print, Progress, Refused, Report

WALL_SECONDS = 90.0
_FOLDER = "lumen-picture-"
_LEFT_SECONDS = 3600.0
_LINE_BYTES = 16_384
_MOST_BYTES = 16 * 1024 * 1024

Hears: TypeAlias = Callable[[float], Awaitable[None]]


class NotShown(Exception):
    """The picture is refused; the message is for whoever uploaded it."""


class TookTooLong(Exception):
    """The machine was busy, or the picture is hard; another attempt may be luckier."""


@asynccontextmanager
async def developed(
    content: bytes, suffix: str, hears: Hears, *, within: float = WALL_SECONDS
) -> AsyncIterator[tuple[Path, Developed]]:
    """Develop a picture; its files are there while the block runs, and nothing is left after it.

    Raises:
        NotShown: it cannot be shown, and why.
        TookTooLong: it was not done in time.

    """
    async with apart.workplace(_FOLDER, left_seconds=_LEFT_SECONDS) as folder:
        await asyncio.to_thread((folder / f"original{suffix}").write_bytes, content)
        told = await _told(folder, Order(f"original{suffix}", suffix), hears, within)
        for each in (told.plain, *told.sizes, *([told.film] if told.film else [])):
            _check(folder, each)
        yield folder, told


def _check(folder: Path, made: Print) -> None:
    """Look whether a file is there that the process tells of, and lies where it should."""
    path = folder / made.name
    sound = Path(made.name).name == made.name and path.is_file() and not path.is_symlink()
    if not sound or not 0 < path.stat().st_size <= _MOST_BYTES:
        raise NotShown("What came of it is not what was asked for.")


async def _told(folder: Path, order: Order, hears: Hears, within: float) -> Developed:
    try:
        async with (
            apart.process("jobs.pictures.child", folder, line_bytes=_LINE_BYTES) as process,
            asyncio.timeout(within),
        ):
            told = await _heard(process, order, hears)
            code = await process.wait()
    except TimeoutError:
        raise TookTooLong(f"It took more than {within:g} s to read.") from None
    if code != 0 or told is None:
        # It is the file that did this: it is never read twice.
        why = "takes longer" if code == -signal.SIGXCPU else "takes more"
        raise NotShown(f"It {why} to read than a picture may (ended with {code}).")
    return told


async def _heard(process: Process, order: Order, hears: Hears) -> Developed | None:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    await apart.hand_over(process, order)
    told: Developed | None = None
    try:
        while line := await process.stdout.readline():
            report: Report = msgspec.json.decode(line, type=Progress | Developed | Refused)
            match report:
                case Progress(done):
                    await hears(done)
                case Refused(reason):
                    raise NotShown(reason)
                case Developed():
                    told = report
    except (ValueError, msgspec.DecodeError) as error:
        raise NotShown("Reading it came to no report.") from error
    return told
