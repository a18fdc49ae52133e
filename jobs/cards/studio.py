"""Has a card rendered in a process of its own, and does not believe it before it has looked."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec import Struct

from jobs import apart
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
    async with apart.workplace(_FOLDER, left_seconds=_LEFT_SECONDS) as folder:
        made = await _made(card, folder, hears, within)
        yield _looked_at(folder / _NAME, made)


async def _made(card: CardText, folder: Path, hears: Hears, within: float) -> Made:
    try:
        async with (
            apart.process("jobs.cards.child", folder, line_bytes=_LINE_BYTES) as process,
            asyncio.timeout(within),
        ):
            made = await _heard(process, Order(card, _NAME), hears)
            code = await process.wait()
    except TimeoutError:
        raise NotRendered(f"The rendering took more than {within:g} s.") from None
    if code != 0 or made is None:
        raise NotRendered(f"The rendering ended with {code}: {apart.last_line(folder)}")
    return made


async def _heard(process: Process, order: Order, hears: Hears) -> Made | None:
    """Hand over the order and listen until the process has no more to say."""
    assert process.stdout is not None  # noqa: S101 - it was asked for
    await apart.hand_over(process, order)
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
