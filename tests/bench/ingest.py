"""How many items a second come from feeds to vectors: `python tests/bench/ingest.py [FEEDS]`.

As shipped: the pulse and one worker of `ingest` and `embed`, PostgreSQL and Redis, each a process,
on this machine; the feeds come over loopback HTTP. The posters that the worker also draws are in
the figure, for readers wait for both. Reading alone is timed beside it.
"""

import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).parents[2]))

from jobs.ingest.parse import Given, read
from server import sources
from server.bootstrap import services_of
from server.embedded import Home, PostgresServer, RedisServer
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.settings import load
from server.sources import NewSource
from tests.bench import stage
from tests.bench.machine import Machine
from tests.pages import item, rss, serving

ENTRIES = 50
WORDS = ("river", "weir", "salmon", "bridge", "council", "night", "tram", "signal", "harbour")
WAIT_SECONDS = 600.0
_COUNTS = text(
    """
    select (select count(*) from content.items),
           (select count(*) from content.item_embeddings)
    """
)


def feed(number: int) -> bytes:
    choice = random.Random(number)  # noqa: S311 - the same feeds at every run

    def words(count: int) -> str:
        return " ".join(choice.choice(WORDS) for _ in range(count))

    return rss(
        *(
            item(f"{number}-{n}", f"<p>{words(60)}.</p><p>{words(60)}.</p>".replace("<", "&lt;"))
            for n in range(ENTRIES)
        ),
        title=f"Paper {number}",
    )


def reading(feeds: list[bytes]) -> None:
    now = datetime.now(UTC)
    with Machine("reading feeds") as machine:
        count = sum(
            len(read(each, Given(url="https://paper.example/"), now).entries) for each in feeds
        )
    machine.row(items=count, items_a_second=round(count / machine.cpu_seconds))


async def add(services: Services, urls: list[str]) -> None:
    news = [NewSource(url=each) for each in urls]
    async with services.write() as db:
        await sources.add_all(db, Viewer(role="admin"), news, services.clock.now())


async def reached(services: Services, wanted: int, *, embedded: bool) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        async with services.database.read() as db:
            stored, vectors = (await db.execute(_COUNTS)).one()
        if (vectors if embedded else stored) >= wanted:
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(f"{stored} items and {vectors} vectors after {WAIT_SECONDS:g} s")


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """Say how long a program that still runs has used a processor."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def through(
    environ: dict[str, str], urls: list[str], children: dict[str, subprocess.Popen[bytes]]
) -> None:
    wanted = len(urls) * ENTRIES
    async with services_of(load(environ)) as services:
        with Machine("from feeds to vectors") as machine:
            began = time.perf_counter()
            await add(services, urls)
            await reached(services, wanted, embedded=False)
            stored = time.perf_counter() - began
            await reached(services, wanted, embedded=True)
        machine.row(
            items=wanted,
            stored_a_second=round(wanted / stored, 1),
            embedded_a_second=round(wanted / machine.wall_seconds, 1),
            # Its share of the work under any load: what the wall time says of a busy machine.
            **{f"{name}_cpu_s": round(cpu_seconds(each), 2) for name, each in children.items()},
        )


def main(count: int) -> None:
    feeds = [feed(number) for number in range(count)]
    reading(feeds)
    with tempfile.TemporaryDirectory(prefix="lumen-bench-") as folder, ExitStack() as hosts:
        # A host for each, for one that has them all would be asked in turn.
        urls = [
            hosts.enter_context(serving(f"127.0.2.{1 + number}")).put("/feed", each)
            for number, each in enumerate(feeds)
        ]
        home = Home(Path(folder))
        home.prepare()
        postgres, redis = PostgresServer(home), RedisServer(home)
        postgres.create()
        postgres.start()
        redis.start()
        environ = stage.environment(home, postgres.url(), redis.url, 20000)
        environ["FETCH_PRIVATE_ADDRESSES"] = "true"
        stage.run("-m", "server.cli", "migrate", "up", environ=environ)
        work = ("-m", "jobs", "work", "--queues", "ingest", "embed")
        children = {
            "pulse": stage.start("-m", "jobs", "pulse", environ=environ),
            "worker": stage.start(*work, environ=environ),
        }
        try:
            asyncio.run(through(environ, urls, children))
        finally:
            for child in children.values():
                child.terminate()
            for child in children.values():
                child.wait(60)
            redis.stop()
            postgres.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
