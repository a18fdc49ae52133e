"""Worker processes as they are started: from a source to vectors, killed, forgotten."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from jobs import schedule
from jobs.ingest.refresh import refresh
from jobs.pulse import Tenure
from server import catalog, items, sources
from server.kernel.clock import FixedClock
from server.kernel.ids import new_id
from server.kernel.outbox import by_topic
from server.kernel.queue import QUEUES
from server.kernel.relay import Relay
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.settings import Settings
from server.sources import NewSource, RefreshSource, Source
from tests.pages import Answer, Asked, Pages, item, rss, serving

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]
HOUSE = Viewer(role="admin")
# The rule that a killed worker's job is taken up again in less than this (rulings 15).
TAKEN_UP_SECONDS = 90.0
ROOT = Path(__file__).parents[2]


@pytest.fixture
def pages() -> Iterator[Pages]:
    with serving() as opened:
        yield opened


@pytest.fixture
def environ(settings: Settings) -> Mapping[str, str]:
    given = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "SECRET_KEY": settings.secret_key,
        "LUMEN_HOME": settings.lumen_home,
        "FETCH_PRIVATE_ADDRESSES": "true",
        "LOG_FORMAT": "text",
    }
    return os.environ | {name: value for name, value in given.items() if value is not None}


@contextmanager
def started(environ: Mapping[str, str], *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "jobs", *arguments], env=environ, cwd=ROOT)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        finally:
            process.kill()
            process.wait()


async def added(services: Services, url: str) -> Source:
    async with services.write() as db:
        return await sources.add(db, HOUSE, NewSource(url=url), services.clock.now())


async def until(holds: Callable[[], Awaitable[bool]], within: float = TAKEN_UP_SECONDS) -> None:
    async with asyncio.timeout(within):
        while not await holds():  # noqa: ASYNC110 - other processes tell us nothing
            await asyncio.sleep(0.1)


async def embedded(services: Services) -> int:
    async with services.database.read() as db:
        rows = await db.execute(text("select count(*) from content.item_embeddings"))
        return int(rows.scalar_one())


async def stored(services: Services, source: Source) -> list[UUID]:
    async with services.database.read() as db:
        return await items.of_sources(db, [source.id])


@pytest.mark.row("C-09")
@pytest.mark.row("L-14")
async def test_a_source_that_is_added_comes_out_as_items_with_vectors(
    services: Services, pages: Pages, environ: Mapping[str, str]
) -> None:
    feed = pages.put("/feed", rss(item("a"), item("b"), item("c")))
    with started(environ, "pulse"), started(environ, "work", "--queues", "ingest", "embed"):
        await added(services, feed)

        async def there() -> bool:
            return await embedded(services) == 3

        await until(there)


async def test_a_killed_workers_job_is_taken_up_again(
    services: Services, pages: Pages, environ: Mapping[str, str]
) -> None:
    asked, go_on = threading.Semaphore(0), threading.Event()

    def page(_: Asked) -> Answer:
        asked.release()
        go_on.wait(TAKEN_UP_SECONDS)
        return Answer(rss(item("a")))

    feed = pages.put("/feed", page)
    with started(environ, "pulse"):
        with started(environ, "work", "--queues", "ingest") as first:
            source = await added(services, feed)
            assert await asyncio.to_thread(asked.acquire, timeout=TAKEN_UP_SECONDS)
            first.kill()
        with started(environ, "work", "--queues", "ingest"):
            assert await asyncio.to_thread(asked.acquire, timeout=TAKEN_UP_SECONDS)
            go_on.set()

            async def there() -> bool:
                return len(await stored(services, source)) == 1

            await until(there)


async def test_of_many_who_want_a_lease_one_works_and_the_next_follows(services: Services) -> None:
    working: list[int] = []
    worked = asyncio.Event()

    def work_of(number: int) -> Callable[[], Awaitable[None]]:
        async def work() -> None:
            working.append(number)
            worked.set()
            try:
                await asyncio.Event().wait()
            finally:
                working.remove(number)

        return work

    tenures = {
        number: asyncio.create_task(Tenure(services, "scheduler", new_id(), work_of(number)).run())
        for number in range(4)
    }
    for _ in range(3):
        async with asyncio.timeout(20):
            await worked.wait()
        assert len(working) == 1
        worked.clear()
        gone = tenures.pop(working[0])
        gone.cancel()
        await asyncio.wait([gone])
    for task in tenures.values():
        task.cancel()
    await asyncio.wait(tenures.values())


async def test_two_pulses_ask_a_source_once(
    services: Services, pages: Pages, environ: Mapping[str, str]
) -> None:
    source = await added(services, pages.put("/feed", rss(item("a"))))
    with (
        started(environ, "pulse"),
        started(environ, "pulse"),
        started(environ, "work", "--queues", "ingest"),
    ):

        async def there() -> bool:
            return len(await stored(services, source)) == 1

        await until(there)
        async with services.database.read() as db:
            rows = await db.execute(text("select name from ops.leases order by name"))
            held = list(rows.scalars())
    assert held == ["fold", "relay", "scheduler"]
    assert len(pages.asked) == 1


async def test_what_redis_forgot_is_derived_again_from_the_database(
    services: Services, pages: Pages
) -> None:
    feed = await added(services, pages.put("/feed", rss(item("a"), item("b"))))
    await refresh(services, RefreshSource(feed.id))
    other = await added(services, pages.put("/other", rss(item("c"))))
    # Late enough for the sweep to see what the workers should have had by now.
    later = FixedClock(services.clock.now() + timedelta(minutes=5))
    services = replace(services, clock=later)

    async def sweep() -> None:
        await schedule.ask_sources(services)
        await schedule.embed_fresh(services)

    async def waiting() -> dict[str, int]:
        return {name: depth.waiting for name, depth in (await services.queue.depths()).items()}

    await sweep()
    before = await waiting()
    await services.redis.flushall()
    assert (await waiting())["ingest"] == 0
    await sweep()

    assert await waiting() == before
    assert before["ingest"] >= 1
    assert before["embed"] == 1
    async with services.database.read() as db:
        assert other.id in await sources.due(db, services.clock.now())


async def test_a_redis_emptied_under_a_job_costs_neither_its_result_nor_the_worker(
    services: Services, pages: Pages, environ: Mapping[str, str]
) -> None:
    asked, go_on = threading.Semaphore(0), threading.Event()

    def page(_: Asked) -> Answer:
        asked.release()
        go_on.wait(TAKEN_UP_SECONDS)
        return Answer(rss(item("a")))

    slow, quick = pages.put("/slow", page), pages.put("/quick", rss(item("b")))
    with started(environ, "pulse"), started(environ, "work", "--queues", "ingest"):
        first = await added(services, slow)
        assert await asyncio.to_thread(asked.acquire, timeout=TAKEN_UP_SECONDS)
        await services.redis.flushall()
        go_on.set()
        second = await added(services, quick)

        async def there() -> bool:
            return [len(await stored(services, each)) for each in (first, second)] == [1, 1]

        await until(there)


async def test_events_and_cards_outlive_what_redis_forgot(services: Services, pages: Pages) -> None:
    feed = await added(services, pages.put("/feed", rss(item("a"), item("b"))))
    await refresh(services, RefreshSource(feed.id))

    async def waiting() -> dict[str, int]:
        return {name: depth.waiting for name, depth in (await services.queue.depths()).items()}

    # What was told before, and nobody has heard yet.
    await services.redis.flushall()
    relay = Relay(services, by_topic(catalog.REACTIONS))
    while await relay.deliver():
        pass
    told = await waiting()
    assert told["ingest"] >= 1
    assert told["embed"] >= 2

    later = replace(services, clock=FixedClock(services.clock.now() + timedelta(minutes=5)))
    await services.redis.flushall()
    await schedule.draw_cards(later)
    nothing = dict.fromkeys(QUEUES, 0)
    assert await waiting() == {**nothing, "embed": 1}

    async with services.database.begin() as db:
        await db.execute(text("update content.media set state = 'poster'"))
    await services.redis.flushall()
    await schedule.draw_cards(later)
    assert await waiting() == {**nothing, "cards": 2}
