"""Thousands of sources and one worker: `python tests/bench/newsroom.py [SOURCES] [ROUNDS]`.

As shipped: the pulse and one worker of `ingest` and `embed`, PostgreSQL and Redis, each a process;
the sources are on a small internet of odd hosts on loopback (`tests/fake_internet.py`), a process
too, and two of them share a host. Every round makes all due again and adds an entry to each feed.
Printed are fetches a second, the worker's memory after every round, how the hosts were treated by
their own logs, and how long an entry takes from its feed to where open screens are told of it.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).parents[2]))

from jobs.ingest.turns import BURST, SPACING_SECONDS
from server import sources
from server.bootstrap import services_of
from server.embedded import Home, PostgresServer, RedisServer
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.settings import load
from server.sources import NewSource
from tests import fake_internet
from tests.bench import stage
from tests.bench.machine import Machine
from tests.fake_internet import Visit

WAIT_SECONDS = 330.0
# Those who never answer, and never end, are waited for as long as shipped: they end after the rest.
_DONE = text("select count(*) from content.sources where last_fetch_at >= :began")
_DUE = text("update content.sources set next_check_at = now() where enabled and last_error is null")
_WANTED = text("select count(*) from content.sources where enabled and last_error is null")
_STAGES = text(
    """
    select count(*) as items,
      percentile_cont(0.95) within group (order by extract(epoch from stored_at - fetched_at)),
      percentile_cont(0.95) within group (order by extract(epoch from embedded_at - stored_at)),
      percentile_cont(0.95) within group (order by extract(epoch from told_at - embedded_at))
    from content.item_stages
    """
)
_ITEMS = text("select count(*) from content.items")


def megabytes(process: subprocess.Popen[bytes]) -> float:
    """The memory of a worker and of the processes that read for it."""
    top = psutil.Process(process.pid)
    family = [top, *top.children(recursive=True)]
    return sum(each.memory_info().rss for each in family) / 1e6


async def one_round(
    services: Services, number: int, wanted: int, worker: subprocess.Popen[bytes]
) -> None:
    began = services.clock.now()
    with Machine(f"round {number}") as machine:
        start = time.monotonic()
        done = 0
        while done < wanted and time.monotonic() - start < WAIT_SECONDS:
            await asyncio.sleep(0.25)
            async with services.database.read() as db:
                done = (await db.execute(_DONE, {"began": began})).scalar_one()
        spent = time.monotonic() - start
    async with services.database.read() as db:
        items = (await db.execute(_ITEMS)).scalar_one()
    machine.row(
        asked=done,
        of=wanted,
        fetches_a_second=round(done / spent, 1),
        items=items,
        worker_mb=round(megabytes(worker), 1),
    )


async def through(
    environ: dict[str, str],
    urls: list[str],
    rounds: int,
    children: dict[str, subprocess.Popen[bytes]],
) -> None:
    async with services_of(load(environ)) as services:
        async with services.write() as db:
            news = [NewSource(url=each) for each in urls]
            await sources.add_all(db, Viewer(role="admin"), news, services.clock.now())
        await one_round(services, 1, len(urls), children["worker"])
        for number in range(2, rounds + 1):
            children["internet"].send_signal(signal.SIGUSR1)
            async with services.database.begin() as db:
                wanted = (await db.execute(_WANTED)).scalar_one()
                await db.execute(_DUE)
            await one_round(services, number, wanted, children["worker"])
        async with services.database.read() as db:
            stages = (await db.execute(_STAGES)).one()
        names = ("items", "fetched_to_stored_p95", "stored_to_embedded_p95", "embedded_to_told_p95")
        print(
            {name: round(float(value or 0), 3) for name, value in zip(names, stages, strict=True)}
        )


def judged(log: Path) -> None:
    visits = [Visit(**each) for each in json.loads(log.read_text())]
    crowds = fake_internet.crowds(visits, spacing=SPACING_SECONDS, burst=BURST)
    print(
        {
            "visits": len(visits),
            "hosts": len({each.host for each in visits}),
            "asked_twice_at_once": len(fake_internet.overlaps(visits)),
            "asked_too_often": len(crowds),
        }
    )


def main(count: int, rounds: int) -> None:
    hosts = count // 2
    port = fake_internet.free_port(hosts)
    with tempfile.TemporaryDirectory(prefix="lumen-bench-") as folder:
        log = Path(folder) / "visits.json"
        home = Home(Path(folder))
        home.prepare()
        postgres, redis = PostgresServer(home), RedisServer(home)
        postgres.create()
        postgres.start()
        redis.start()
        environ = stage.environment(home, postgres.url(), redis.url, 20000)
        environ["FETCH_PRIVATE_ADDRESSES"] = "true"
        environ["LOG_LEVEL"] = "error"
        stage.run("-m", "server.cli", "migrate", "up", environ=environ)
        internet = ("-m", "tests.fake_internet", str(hosts), str(port), str(log))
        work = ("-m", "jobs", "work", "--queues", "ingest", "embed")
        children = {
            "internet": stage.start(*internet, environ={**os.environ, **environ}),
            "pulse": stage.start("-m", "jobs", "pulse", environ=environ),
            "worker": stage.start(*work, environ=environ),
        }
        time.sleep(3)
        urls = [
            f"http://{fake_internet.address(number // 2)}:{port}/feed{number % 2}"
            for number in range(count)
        ]
        try:
            asyncio.run(through(environ, urls, rounds, children))
        finally:
            for child in reversed(children.values()):
                child.terminate()
                child.wait(60)
            redis.stop()
            postgres.stop()
        judged(log)


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 2000,
        int(sys.argv[2]) if len(sys.argv) > 2 else 3,
    )
