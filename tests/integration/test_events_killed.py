"""SIGKILL of relays at seeded random moments loses no event, doubles none and keeps their order."""

import asyncio
import multiprocessing
import random
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from server.kernel.delivery import Wanted, forget_done
from server.kernel.outbox import emit
from server.kernel.relay import Relay
from server.kernel.services import Services
from tests.integration.conftest import SECRET
from tests.integration.relaying import GROUPS, Counted, relay_until_killed, table

pytestmark = pytest.mark.anyio

SEED = 20_261_120
MOMENTS = 20
KEYS = ("a", "b", "c", "d", "e")

_children = multiprocessing.get_context("forkserver")
_children.set_forkserver_preload(["tests.integration.relaying"])


class Writer:
    """Writes events as domains do, counting those of each key."""

    def __init__(self, services: Services, chance: random.Random) -> None:
        self._services = services
        self._chance = chance
        self.written = dict.fromkeys(KEYS, 0)

    async def write(self) -> None:
        async with self._services.write() as db:
            for _ in range(self._chance.randint(1, 4)):
                key = self._chance.choice(KEYS)
                await emit(db, Counted(key, self.written[key]), key=key)
                self.written[key] += 1


def _start(environ: dict[str, str], ready: Path) -> Any:
    process = _children.Process(target=relay_until_killed, args=(environ, ready), daemon=True)
    process.start()
    deadline = time.monotonic() + 30
    while not ready.exists():
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return process


def _kill(process: Any) -> None:
    process.kill()
    process.join()
    assert process.exitcode == -9


class Stage:
    """Relays of which some live, and the events that are written for them."""

    def __init__(self, services: Services, environ: dict[str, str], folder: Path) -> None:
        self.chance = random.Random(SEED)  # noqa: S311 - repeatable, not secret
        self.writer = Writer(services, self.chance)
        self._services = services
        self._environ = environ
        self._folder = folder
        self._living: list[Any] = []

    async def moment(self, number: int) -> None:
        """Start a relay, write for a while, and kill what lives at some moment of it."""
        ready = self._folder / f"ready-{number}"
        self._living.append(await asyncio.to_thread(_start, self._environ, ready))
        end = time.monotonic() + self.chance.uniform(0.05, 0.4)
        while time.monotonic() < end:
            await self.writer.write()
            await asyncio.sleep(0.003)
        if self.chance.random() < 0.2:
            await self._services.redis.flushall()
        # Now and then a relay that was believed dead is still there beside the next one.
        spared = self.chance.random() < 0.3
        while len(self._living) > spared:
            _kill(self._living.pop(0))

    def kill_all(self) -> None:
        for process in self._living:
            _kill(process)


@pytest.mark.row("D-16")
@pytest.mark.timeout(300)
async def test_killed_relays_lose_nothing_double_nothing_and_keep_the_order(
    services: Services, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with services.database.begin() as db:
        await db.execute(text(_EFFECTS))
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SECRET_KEY": SECRET}
    stage = Stage(services, environ, tmp_path)
    at_work = set()
    for number in range(MOMENTS):
        await stage.moment(number)
        at_work.add(await _count(services, "effects"))
    stage.kill_all()
    # The relays were at work when they were killed.
    assert len(at_work) > MOMENTS // 4

    relay = Relay(services, table())
    async with asyncio.timeout(120):
        while await _left(services):
            await relay.deliver()
            await asyncio.sleep(0.1)  # what failed the first time waits for its pause
    told = await _told(services)
    assert await _count(services, "ops.inbox") == 0
    for group in GROUPS:
        for key, count in stage.writer.written.items():
            assert told[group, key] == list(range(count)), (group, key)


_EFFECTS = """
create table effects (place bigint generated always as identity, consumer text, key text, n int)
"""


async def _told(services: Services) -> dict[tuple[str, str], list[int]]:
    told: dict[tuple[str, str], list[int]] = {}
    async with services.database.read() as db:
        rows = await db.execute(text("select consumer, key, n from effects order by place"))
        for consumer, key, n in rows:
            told.setdefault((consumer, key), []).append(n)
    return told


async def _count(services: Services, rows_of: str) -> int:
    async with services.database.read() as db:
        counted = await db.execute(text(f"select count(*) from {rows_of}"))  # noqa: S608
        return int(counted.scalar_one())


async def _left(services: Services) -> int:
    await forget_done(services, Wanted(table()))
    return await _count(services, "ops.outbox")
