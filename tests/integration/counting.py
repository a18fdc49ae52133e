"""Processes that like and that fold until they are killed, and what they should leave behind."""

import asyncio
import random
from collections.abc import Callable, Iterator
from io import FileIO
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from server import engagement
from server.bootstrap import services_of
from server.kernel.database import Database
from server.kernel.viewer import Viewer
from server.settings import load


class Op(NamedTuple):
    """One thing that one person does to one item."""

    person: UUID
    item: UUID
    act: str


ACTS = {
    "like": engagement.like,
    "unlike": engagement.unlike,
    "bookmark": engagement.bookmark,
    "unbookmark": engagement.unbookmark,
}


def ops(seed: int, people: list[UUID], items: list[UUID]) -> Iterator[Op]:
    """The acts of a seed, the same each time: more likes than not, so that counters grow."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    while True:
        act = chance.choices([*ACTS], weights=[5, 3, 3, 2])[0]
        yield Op(chance.choice(people), chance.choice(items), act)


def like_until_killed(
    url: str, done: Path, seed: int, people: list[UUID], items: list[UUID], most: int
) -> None:
    """Do the acts of a seed one after the other, each sent twice, from the first not done."""
    left = islice(ops(seed, people, items), done.stat().st_size, most)
    with done.open("ab", buffering=0) as log:
        asyncio.run(_like(url, left, log))


async def _like(url: str, left: Iterator[Op], log: FileIO) -> None:
    database = Database(url, pool=2)
    for op in left:
        for _ in range(2):
            async with database.begin() as db:
                await ACTS[op.act](db, Viewer(op.person, "user"), op.item)
        # One byte an act: what was written is there however the process ends.
        log.write(b".")
    await database.close()


def fold_until_killed(environ: dict[str, str], ready: Path) -> None:
    """Fold as the pulse does."""
    asyncio.run(_fold(environ, ready.touch))


async def _fold(environ: dict[str, str], say_ready: Callable[[], None]) -> None:
    async with services_of(load(environ)) as services:
        say_ready()
        await engagement.fold_forever(services, asyncio.Event())
