"""Lumen as shipped, in processes of its own, for benchmarks: stores, `lumen serve`, the pulse."""

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import uvloop
from msgspec import Struct

from server.embedded import Home, PostgresServer, RedisServer, ports

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
SECRET = secrets.token_hex(32)


class Stage(Struct, frozen=True):
    """Where everything is."""

    url: str
    database_url: str
    redis_url: str
    pid: int  # of the web process, or of what supervises several


@contextmanager
def stage(
    *,
    pulse: bool = False,
    prepare: str = "",
    more: Mapping[str, str] = MappingProxyType({}),
    workers: int = 1,
) -> Iterator[Stage]:
    """Start everything, fill the database with what `prepare` says, and take it all down."""
    with tempfile.TemporaryDirectory(prefix="lumen-bench-") as folder:
        home = Home(Path(folder))
        home.prepare()
        postgres, redis = PostgresServer(home), RedisServer(home)
        postgres.create()
        children: list[subprocess.Popen[bytes]] = []
        postgres.start()
        redis.start()
        try:
            port = ports.pick()
            environ = environment(home, postgres.url(), redis.url, port) | more
            run("-m", "server.cli", "migrate", "up", environ=environ)
            if prepare:
                run("-m", *prepare.split(), environ=environ)
            if pulse:
                children.append(start("-m", "jobs", "pulse", environ=environ))
            serve = ("-m", "server.cli", "serve", "--workers", str(workers))
            children.append(start(*serve, environ=environ))
            url = f"http://127.0.0.1:{port}"
            wait_for(url)
            yield Stage(url, postgres.url(), redis.url, children[-1].pid)
        finally:
            for child in reversed(children):
                child.terminate()
            for child in children:
                child.wait(30)
            redis.stop()
            postgres.stop()
            shutil.rmtree(home.path, ignore_errors=True)


def environment(home: Home, database_url: str, redis_url: str, port: int) -> dict[str, str]:
    """Default settings, but for the limits by address: all the load comes from one."""
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "LUMEN_HOME": str(home.path),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": SECRET,
        "PORT": str(port),
        "RATE_LIMITS": "false",
        "LOG_LEVEL": "warning",
    }


def run(*arguments: str, environ: dict[str, str]) -> None:
    """Run one of our programs to its end."""
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environ, check=True)


def start(*arguments: str, environ: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start one of our programs."""
    return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environ)


def wait_for(url: str) -> None:
    """Wait until the server says that it is ready."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):  # noqa: S310 - our own
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise TimeoutError(f"{url} did not answer within {START_SECONDS:g} s")


def revision() -> str:
    """Name the code that is measured."""
    answer = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip() or "no revision"


def conditions() -> str:
    """Name the code, and say how busy the machine was before: a busy one measures itself."""
    return f"{revision()} · load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def percentiles(seconds: list[float]) -> str:
    """Say p50, p95 and p99 in milliseconds."""
    ordered = sorted(seconds)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000

    return f"p50 {at(0.5):7.2f} ms   p95 {at(0.95):7.2f} ms   p99 {at(0.99):7.2f} ms"


def in_loop(work: object) -> None:
    """Run a coroutine on the loop that the server uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)  # type: ignore[arg-type]
