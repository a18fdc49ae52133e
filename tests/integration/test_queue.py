"""The queue and the lanes that take from it, on a real Redis, in this process."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

import pytest
import redis
from click.testing import CliRunner
from msgspec import Struct

from jobs import lane as lanes
from jobs import runtime, worker
from jobs.registries import Registries
from jobs.runtime import job
from server.cli import main
from server.kernel import queue_rq
from server.kernel.queue import Task
from server.kernel.queue_rq import RqQueue
from server.kernel.services import Services

pytestmark = pytest.mark.anyio
PATIENCE = 60.0


class Named(Struct, frozen=True):
    name: str


class Bench:
    """What the jobs of these tests do, and did."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.came = threading.Semaphore(0)
        self.fail = False
        self.hold = threading.Event()
        self.hold.set()

    async def work(self, name: str) -> None:
        self.done.append(name)
        self.came.release()
        await asyncio.to_thread(self.hold.wait, PATIENCE)
        if self.fail:
            raise ValueError("It went wrong, as it was told to.")

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self.came.acquire(timeout=PATIENCE)


NOTE = Task("test.note", "ingest", Named, retry_seconds=())
AGAIN = Task("test.again", "ingest", Named, retry_seconds=(1, 1))
SLOW = Task("test.slow", "ingest", Named, timeout_seconds=1, retry_seconds=())


@pytest.fixture(autouse=True)
def _only_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_jobs", {})
    monkeypatch.setattr(worker, "load", lambda _: None)


@pytest.fixture
def bench() -> Bench:
    bench = Bench()

    async def note(_: Services, args: Named) -> None:
        await bench.work(args.name)

    async def again(_: Services, args: Named) -> None:
        await bench.work(args.name)

    async def slow(_: Services, args: Named) -> None:
        bench.done.append(args.name)
        bench.came.release()
        await asyncio.Event().wait()

    for task, run in ((NOTE, note), (AGAIN, again), (SLOW, slow)):
        job(task)(run)
    return bench


@asynccontextmanager
async def nothing() -> AsyncIterator[Services]:
    yield cast("Services", object())


@contextmanager
def working(url: str) -> Iterator[None]:
    opened = worker.Worker(url, ["ingest"], nothing)
    thread = threading.Thread(target=opened.run)
    thread.start()
    try:
        yield
    finally:
        opened.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


@contextmanager
def booking(url: str) -> Iterator[Registries]:
    registries = Registries(url)
    try:
        yield registries
    finally:
        registries.close()


@pytest.fixture
def queue(redis_url: str) -> Iterator[RqQueue]:
    queue = RqQueue(redis_url)
    yield queue
    queue.close()


def lumen(database_url: str, redis_url: str, *words: str) -> str:
    """Run a command."""
    environ = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "SECRET_KEY": "x" * 40}
    return CliRunner().invoke(main, list(words), env=environ).output


async def until(holds: Any) -> None:
    """Wait for what happens on other threads; a bound, not a measure."""
    async with asyncio.timeout(PATIENCE):
        while not await holds():  # noqa: ASYNC110 - nothing tells us; the bound is above
            await asyncio.sleep(0.05)


async def test_a_job_is_in_once_until_it_is_done_and_can_come_again(
    queue: RqQueue, redis_url: str, bench: Bench
) -> None:
    assert await queue.enqueue(NOTE, Named("one"), job_id="j")
    assert not await queue.enqueue(NOTE, Named("two"), job_id="j")
    assert await queue.enqueue_many(NOTE, [("k", Named("three")), ("j", Named("four"))]) == 1
    with working(redis_url):
        await asyncio.to_thread(bench.wait_for, 2)

        async def empty() -> bool:
            return await queue.enqueue(NOTE, Named("five"), job_id="j")

        await until(empty)
        await asyncio.to_thread(bench.wait_for, 1)
    assert sorted(bench.done) == ["five", "one", "three"]


async def test_while_it_runs_it_is_still_in(queue: RqQueue, redis_url: str, bench: Bench) -> None:
    bench.hold.clear()
    with working(redis_url):
        await queue.enqueue(NOTE, Named("one"), job_id="j")
        await asyncio.to_thread(bench.wait_for, 1)
        assert not await queue.enqueue(NOTE, Named("two"), job_id="j")
        bench.hold.set()


async def test_several_jobs_of_a_queue_run_at_a_time(
    queue: RqQueue, redis_url: str, bench: Bench
) -> None:
    bench.hold.clear()
    await queue.enqueue_many(NOTE, [(str(n), Named(str(n))) for n in range(worker.LANES["ingest"])])
    with working(redis_url):
        await asyncio.to_thread(bench.wait_for, worker.LANES["ingest"])
        bench.hold.set()


async def test_a_job_that_fails_is_tried_again_and_then_is_a_dead_letter(
    queue: RqQueue, database_url: str, redis_url: str, bench: Bench
) -> None:
    bench.fail = True
    await queue.enqueue(AGAIN, Named("x"), job_id="j")
    with working(redis_url), booking(redis_url) as registries:

        async def dead() -> bool:
            await asyncio.to_thread(registries.enqueue_retries)
            return (await queue.depths())["ingest"].failed == 1

        await until(dead)
        (letter,) = await queue.dead()
        assert bench.done == ["x"] * 3
        assert (letter.id, letter.task, letter.queue) == ("j", "test.again", "ingest")
        assert "as it was told to" in letter.error

        assert not await queue.enqueue(AGAIN, Named("x"), job_id="j")
        shown = await asyncio.to_thread(lumen, database_url, redis_url, "worker", "--failed")
        assert "test.again (j, queue ingest) failed" in shown
        bench.fail = False
        assert await queue.revive() == 1
        await asyncio.to_thread(bench.wait_for, 4)
    assert await queue.dead() == []
    assert "Nothing has failed for good" in await asyncio.to_thread(
        lumen, database_url, redis_url, "worker", "--failed"
    )


async def test_a_job_that_is_long_dead_makes_room_for_a_new_one(
    queue: RqQueue, redis_url: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.fail = True
    await queue.enqueue(NOTE, Named("x"), job_id="j")
    with working(redis_url):

        async def dead() -> bool:
            return (await queue.depths())["ingest"].failed == 1

        await until(dead)
    monkeypatch.setattr(queue_rq, "DEAD_SECONDS", 0)
    assert await queue.enqueue(NOTE, Named("y"), job_id="j")
    assert await queue.dead() == []


@pytest.mark.usefixtures("bench")
async def test_a_job_that_takes_too_long_is_ended(queue: RqQueue, redis_url: str) -> None:
    await queue.enqueue(SLOW, Named("x"), job_id="j")
    with working(redis_url):

        async def dead() -> bool:
            return (await queue.depths())["ingest"].failed == 1

        await until(dead)
        assert "TimeoutError" in (await queue.dead())[0].error


async def test_what_a_silent_lane_was_doing_is_taken_up_again(
    queue: RqQueue, redis_url: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A lane that says nothing for longer than it counts as alive is as good as killed.
    monkeypatch.setattr(lanes, "ALIVE_SECONDS", 1)
    monkeypatch.setattr(lanes, "BEAT_SECONDS", PATIENCE)
    bench.hold.clear()
    await queue.enqueue(AGAIN, Named("x"), job_id="j")
    with working(redis_url), booking(redis_url) as registries:
        await asyncio.to_thread(bench.wait_for, 1)

        async def again() -> bool:
            await asyncio.to_thread(registries.clean)
            await asyncio.to_thread(registries.enqueue_retries)
            return len(bench.done) > 1

        await until(again)
        bench.hold.set()


async def test_a_lane_that_lives_keeps_its_job(
    queue: RqQueue, redis_url: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "ALIVE_SECONDS", 2)
    monkeypatch.setattr(lanes, "BEAT_SECONDS", 0.1)
    beats = threading.Semaphore(0)
    beat = lanes.Lane._beat
    monkeypatch.setattr(lanes.Lane, "_beat", lambda self: (beat(self), beats.release()))
    bench.hold.clear()
    await queue.enqueue(AGAIN, Named("x"), job_id="j")
    with working(redis_url), booking(redis_url) as registries:
        # More beats than the time that it counts as alive without one.
        for _ in range(30):
            assert await asyncio.to_thread(beats.acquire, timeout=PATIENCE)
            await asyncio.to_thread(registries.clean)
        bench.hold.set()
    assert bench.done == ["x"]


async def test_a_redis_that_forgot_everything_under_a_running_job_does_no_harm(
    queue: RqQueue, redis_url: str, bench: Bench
) -> None:
    bench.hold.clear()
    with (
        working(redis_url),
        booking(redis_url) as registries,
        redis.Redis.from_url(redis_url) as client,
    ):
        await queue.enqueue(AGAIN, Named("one"), job_id="j")
        await asyncio.to_thread(bench.wait_for, 1)
        client.flushall()
        # The id is free again while the first job still runs: both end, in whatever way.
        assert await queue.enqueue(AGAIN, Named("two"), job_id="j")
        bench.hold.set()

        async def free() -> bool:
            await asyncio.to_thread(registries.enqueue_retries)
            return "two" in bench.done and await queue.enqueue(AGAIN, Named("three"), job_id="j")

        await until(free)

        async def done() -> bool:
            await asyncio.to_thread(registries.enqueue_retries)
            return "three" in bench.done

        await until(done)


async def test_a_redis_that_went_away_and_came_back_is_found_again(
    redis_server: Any, bench: Bench
) -> None:
    queue = RqQueue(redis_server.url)
    with working(redis_server.url):
        await queue.enqueue(NOTE, Named("one"), job_id="one")
        await asyncio.to_thread(bench.wait_for, 1)
        await asyncio.to_thread(redis_server.kill)
        await asyncio.to_thread(redis_server.start)
        await queue.enqueue(NOTE, Named("two"), job_id="two")
        await asyncio.to_thread(bench.wait_for, 1)
    queue.close()
