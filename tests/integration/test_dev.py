"""`lumen dev` as a person at a terminal sees it, and what is left when it is killed."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest
import redis

from server.embedded import ports
from server.embedded.process import wait_until

ROOT = Path(__file__).parents[2]
# Promises about an end, on a machine that is busy with other tests; none about speed.
BOUND = 90.0
NOT_SET = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "HOST", "PORT", "LUMEN_HOME")

pytestmark = pytest.mark.timeout(300)


class Dev:
    """One `lumen dev` in a folder of its own."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self.home = folder / ".lumen"
        self.lines: list[str] = []
        clean = {name: value for name, value in os.environ.items() if name not in NOT_SET}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "dev", "--no-demo"],
            cwd=folder,
            env={**clean, "PYTHONPATH": str(ROOT), "PORT": str(ports.pick()), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def until(self, word: str) -> str:
        """Read on until a line has the word; fails with all that was said when none has."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if word in line:
                return line
        raise AssertionError(f"{word!r} was never said:\n{''.join(self.lines)}")

    def live(self) -> "Dev":
        self.until("Lumen is live at")
        return self

    def running(self) -> dict[str, str]:
        return json.loads(self.home.joinpath("running.json").read_text())

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, word: str) -> psutil.Process:
        """The child whose command has a word in it."""
        return next(each for each in self.direct() if word in " ".join(each.cmdline()))

    def direct(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def signal(self, number: signal.Signals) -> int:
        """Send a signal, read what is said to the end, give the exit code."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        rest, _ = self.process.communicate(timeout=BOUND)
        self.lines.append(rest)
        return self.process.returncode

    def sql(self, statement: str) -> object:
        """What one statement answers on the database of this run."""
        import asyncio  # noqa: PLC0415 - only here, where there is no loop yet

        async def ask() -> object:
            connection = await asyncpg.connect(self.running()["database_url"])
            try:
                return await connection.fetchval(statement)
            finally:
                await connection.close()

        return asyncio.run(ask())

    def answers(self) -> bool:
        """Whether the web server is ready at this moment."""
        line = http.client.HTTPConnection(urlsplit(self.running()["url"]).netloc, timeout=5)
        try:
            line.request("GET", "/readyz")
            return line.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            line.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Dev]]:
    started: list[Dev] = []

    def begin(name: str = "checkout", **environ: str) -> Dev:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        started.append(Dev(folder, **environ))
        return started[-1]

    yield begin
    for dev in started:
        left = dev.family() if dev.process.poll() is None else []
        dev.process.kill()
        if dev.process.stdout is not None and not dev.process.stdout.closed:
            dev.ended()
        psutil.wait_procs(left, timeout=BOUND)


def all_gone(processes: list[psutil.Process]) -> bool:
    gone, alive = psutil.wait_procs(processes, timeout=BOUND)
    return not [each for each in alive if each.status() != psutil.STATUS_ZOMBIE] and bool(gone)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_everything_cleanly_and_a_second_start_finds_its_data(start, how):
    dev = start().live()
    family = dev.family()
    assert dev.answers()
    dev.sql("CREATE TABLE kept AS SELECT 42 AS answer")

    assert dev.signal(how) == 0, "".join(dev.lines)

    assert all_gone(family)
    assert not dev.home.joinpath("running.json").exists()
    assert not dev.home.joinpath("postgres", "postmaster.pid").exists()
    again = start().live()
    assert again.sql("SELECT answer FROM kept") == 42


def test_a_killed_supervisor_leaves_no_orphan_and_no_loss(start):
    dev = start().live()
    family = dev.family()
    dev.sql("CREATE TABLE kept AS SELECT 42 AS answer")
    with redis.Redis.from_url(dev.running()["redis_url"]) as client:
        client.set("kept", "42")

    dev.signal(signal.SIGKILL)

    assert len(family) >= 6
    assert all_gone(family)
    again = start().live()
    assert again.sql("SELECT answer FROM kept") == 42
    with redis.Redis.from_url(again.running()["redis_url"]) as client:
        assert client.get("kept") == b"42"


def test_killed_servers_come_back_with_their_data(start):
    dev = start().live()
    dev.sql("CREATE TABLE kept AS SELECT 42 AS answer")

    dev.child("postgres").kill()
    dev.until("PostgreSQL runs again")
    assert dev.sql("SELECT answer FROM kept") == 42
    dev.child("redis-server").kill()
    dev.until("Redis runs again")
    dev.child("server.cli serve").kill()
    dev.until("web runs again")
    dev.child("pulse").kill()
    dev.until("pulse runs again")

    assert wait_until(dev.answers, BOUND)
    assert dev.signal(signal.SIGINT) == 0


def test_a_start_that_is_interrupted_ends_cleanly_and_can_be_repeated(start):
    dev = start()
    dev.until("Making a PostgreSQL data folder")
    assert dev.signal(signal.SIGINT) == 0, "".join(dev.lines)
    again = start()
    again.until("Starting PostgreSQL")
    family = again.family()
    assert again.signal(signal.SIGTERM) == 0, "".join(again.lines)
    assert all_gone(family) or not family
    start().live()


def test_two_on_one_folder_are_refused(start):
    start().live()
    second = start()
    assert second.ended() == 2
    assert "Lumen is already running on" in "".join(second.lines)


def test_two_checkouts_run_side_by_side_and_a_taken_port_is_passed_over(start):
    first = start("one").live()
    port = urlsplit(first.running()["url"]).port
    second = start("two", PORT=str(port)).live()
    assert f"Port {port} is taken; taking" in "".join(second.lines)
    assert first.answers()
    assert second.answers()
    assert first.running()["database_url"] != second.running()["database_url"]


def test_stores_of_ones_own_are_used_as_they_are(start, empty_database_url, redis_url):
    dev = start(DATABASE_URL=empty_database_url, REDIS_URL=redis_url).live()
    assert dev.running()["database_url"] == empty_database_url
    assert not dev.home.joinpath("postgres").exists()
    assert not dev.home.joinpath("redis").exists()
    assert dev.answers()


def test_a_second_signal_does_not_wait(start):
    dev = start().live()
    family = dev.family()
    # A worker that does not listen would hold up a clean end.
    dev.child("cards").suspend()
    dev.process.send_signal(signal.SIGINT)
    dev.until("Stopping")
    dev.process.send_signal(signal.SIGINT)
    dev.ended()
    assert all_gone(family)
