"""What pulse and workers count can be seen, and where it is counted only."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from server import engagement
from server.embedded import ports
from server.kernel.services import Services
from server.settings import Settings
from tests.people import a_user, an_item

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]
ROOT = Path(__file__).parents[2]


@contextmanager
def working(given: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "server.cli", "worker"]
    process = subprocess.Popen(command, env=os.environ | given, cwd=ROOT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    assert code == 0


async def test_the_numbers_of_all_background_processes_are_on_one_port(
    services: Services, settings: Settings
) -> None:
    async with services.write() as db:
        await engagement.like(db, await a_user(db, "ada"), await an_item(db))
    port = ports.pick()
    given = {
        "DATABASE_URL": settings.database_url or "",
        "REDIS_URL": settings.redis_url or "",
        "SECRET_KEY": settings.secret_key or "",
        "LUMEN_HOME": settings.lumen_home,
        "METRICS_PORT": str(port),
    }
    with working(given) as process:
        async with httpx2.AsyncClient() as client, asyncio.timeout(120):
            told = ""
            while "counters_folded_total 1.0" not in told:
                try:
                    told = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
                except httpx2.TransportError:
                    assert process.poll() is None
                await asyncio.sleep(0.1)


def test_a_web_process_does_not_tell_of_what_it_never_does() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import server.app as a; print(a.health.metrics.exposition())"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "realtime_sockets_open" in told
    assert "counters_folded" not in told
    assert "counter_drift" not in told
