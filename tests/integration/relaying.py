"""A relay that works until it is killed, and consumers whose effect is a row."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from sqlalchemy import text

from server.bootstrap import services_of
from server.kernel.bell import listening
from server.kernel.database import Db
from server.kernel.outbox import Event, Reaction, by_topic
from server.kernel.relay import Relay
from server.kernel.services import Services
from server.settings import load

GROUPS = ("one", "two", "many")
FAILS_AT = 97


class Counted(Event, frozen=True):
    """The n-th event of its key."""

    topic: ClassVar[str] = "test.counted"
    key: str
    n: int


class Effects:
    """A consumer that writes down what it is told, and fails at some events the first time."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._tried: set[tuple[str, int]] = set()

    async def run(self, _services: Services, db: Db, event: Counted) -> None:
        await self._write(db, event)
        if event.n % FAILS_AT == FAILS_AT - 1 and (event.key, event.n) not in self._tried:
            self._tried.add((event.key, event.n))
            raise RuntimeError("not the first time")

    async def run_many(self, _services: Services, db: Db, events: Sequence[Counted]) -> None:
        for event in events:
            await self._write(db, event)

    async def _write(self, db: Db, event: Counted) -> None:
        await db.execute(
            text("insert into effects (consumer, key, n) values (:consumer, :key, :n)"),
            {"consumer": self._group, "key": event.key, "n": event.n},
        )


def table() -> dict[str, list[Reaction]]:
    """Two groups that are told one by one, and fail; one that is told in batches."""
    one, two, many = (Effects(group) for group in GROUPS)
    return by_topic(
        [
            Reaction("one.count", Counted, one.run),
            Reaction("two.count", Counted, two.run),
            Reaction("many.count", Counted, many.run_many, in_batches=True),
        ]
    )


def relay_until_killed(environ: dict[str, str], ready: Path) -> None:
    """Relay as the pulse does."""
    asyncio.run(_relay(environ, ready.touch))


async def _relay(environ: dict[str, str], say_ready: Callable[[], None]) -> None:
    async with (
        services_of(load(environ)) as services,
        listening(environ["DATABASE_URL"]) as heard,
    ):
        say_ready()
        await Relay(services, table()).run(heard)
