import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis

from server.embedded import (
    EmbeddedError,
    Home,
    HomeBusyError,
    PostgresServer,
    RedisServer,
    identity,
)
from server.embedded import process as processes

BOUND = 30.0  # generous: these are promises about an end, not about speed


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "a folder whose name is long and has spaces" / ("x" * 100))
    home.prepare()
    return home


@pytest.fixture
def server(home: Home) -> Iterator[PostgresServer]:
    server = PostgresServer(home)
    server.start()
    yield server
    server.stop()


@pytest.mark.anyio
async def test_postgres_answers_with_pgvector(server: PostgresServer):
    connection = await asyncpg.connect(server.url())
    await connection.execute("CREATE EXTENSION vector")
    assert await connection.fetchval("SELECT '[1,2]'::halfvec(2) <-> '[1,2]'") == 0
    assert await connection.fetchval("SHOW server_version_num") >= "180000"
    await connection.close()


@pytest.mark.anyio
async def test_a_wrong_password_is_refused(server: PostgresServer):
    url = f"postgresql://lumen:wrong@127.0.0.1:{server.port}/lumen"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url)


def test_postgres_listens_on_loopback_below_the_ephemeral_ports(server: PostgresServer):
    assert listeners(server.pid) == {("127.0.0.1", server.port)}
    assert 20000 <= server.port < 32768


def test_data_is_there_after_a_clean_stop(server: PostgresServer):
    server.psql("lumen", "CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop()
    server.start()
    assert server.psql("lumen", "SELECT answer FROM kept") == "42"


def test_data_is_there_after_a_kill_while_the_pid_file_still_lies(server: PostgresServer):
    server.psql("lumen", "CREATE TABLE kept AS SELECT 42 AS answer")
    server.kill()
    server.start()
    assert server.psql("lumen", "SELECT answer FROM kept") == "42"


def test_a_pid_file_that_names_a_stranger_is_not_believed(server: PostgresServer, home: Home):
    server.kill()
    file = home.folder("postgres") / "postmaster.pid"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    server.start()
    assert server.is_ready()


def test_a_zombie_is_not_a_server(server: PostgresServer):
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    # Not reaped: the process is a zombie now, and its number is still taken.
    assert processes.wait_until(
        lambda: psutil.Process(server._process.pid).status() == psutil.STATUS_ZOMBIE, BOUND
    )
    second = PostgresServer(server._home)
    second.start()
    assert second.is_ready()
    second.stop()


def test_a_server_left_behind_is_ended_by_the_next_start(home: Home):
    first = PostgresServer(home)
    first.start()
    second = PostgresServer(home)
    second.start()
    assert first.pid is None
    assert second.is_ready()
    second.stop()


def test_two_homes_run_side_by_side(server: PostgresServer, tmp_path: Path):
    other_home = Home(tmp_path / "other")
    other_home.prepare()
    other = PostgresServer(other_home)
    other.start()
    assert other.port != server.port
    assert server.is_ready()
    other.stop()


def test_an_interrupted_initdb_leaves_nothing_that_looks_finished(home: Home):
    draft = home.folder("postgres.new")
    draft.mkdir()
    draft.joinpath("PG_VERSION").write_text("18\n")
    server = PostgresServer(home, durable=False)
    server.start()
    assert server.is_ready()
    assert not draft.exists()
    server.stop()


def test_a_server_that_cannot_start_says_why(home: Home):
    server = PostgresServer(home, durable=False)
    server.create()
    home.folder("postgres").joinpath("postgresql.conf").write_text("no such line\n")
    with pytest.raises(EmbeddedError, match="syntax error in file"):
        server.start()


def test_data_of_another_version_is_left_alone(home: Home):
    home.folder("postgres").mkdir()
    home.folder("postgres").joinpath("PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedError, match="was made by PostgreSQL 16, and this is 18"):
        PostgresServer(home).start()


def test_redis_keeps_its_data_through_a_stop(redis_server: RedisServer):
    with redis.Redis.from_url(redis_server.url) as client:
        client.set("kept", "42")
    redis_server.stop()
    redis_server.start()
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.get("kept") == b"42"


def test_redis_listens_on_loopback_and_asks_for_its_password(redis_server: RedisServer):
    assert listeners(redis_server.pid) == {("127.0.0.1", redis_server.port)}
    with (
        redis.Redis(port=redis_server.port) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


def test_no_secret_is_among_the_arguments(redis_server: RedisServer, server: PostgresServer):
    for pid, word in (
        (redis_server.pid, redis_server._password),
        (server.pid, server._password),
    ):
        assert word not in " ".join(psutil.Process(pid).cmdline())


OWNER = """
import sys
import tempfile
from pathlib import Path
from server.embedded import Home, PostgresServer, RedisServer
home = Home(Path(sys.argv[1]))
home.prepare()
postgres, redis = PostgresServer(home, durable=False), RedisServer(home)
postgres.start(), redis.start()
print(postgres.pid, redis.pid, flush=True)
sys.stdin.read()
"""


def test_servers_end_when_their_owner_is_killed(tmp_path: Path):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with owner:
        pids = [int(word) for word in owner.stdout.readline().split()]
        children = [psutil.Process(pid) for pid in pids]
        owner.kill()
    assert processes.wait_until(lambda: not any(map(is_alive, children)), BOUND)


def test_a_home_is_held_by_one(tmp_path: Path):
    first, second = Home(tmp_path), Home(tmp_path)
    first.prepare()
    first.acquire()
    with pytest.raises(HomeBusyError, match=f"process {os.getpid()}"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_a_secret_is_made_once_and_is_its_owners_only(tmp_path: Path):
    home = Home(tmp_path)
    home.prepare()
    made = home.secret("key")
    assert len(made) >= 32
    assert Home(tmp_path).secret("key") == made
    assert tmp_path.joinpath("secrets", "key").stat().st_mode & 0o777 == 0o600


def listeners(pid: int | None) -> set[tuple[str, int]]:
    return {
        tuple(line.laddr)
        for line in psutil.Process(pid).net_connections("tcp")
        if line.status == psutil.CONN_LISTEN
    }


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_taken_port_is_replaced(home: Home):
    taken = socket.create_server(("127.0.0.1", 0))
    home.folder("redis.port").write_text(str(taken.getsockname()[1]))
    server = RedisServer(home)
    server.start()
    assert server.port != taken.getsockname()[1]
    server.stop()
    taken.close()


def test_root_without_user_namespaces_hands_the_data_to_another_user(
    monkeypatch: pytest.MonkeyPatch,
):
    if os.geteuid() != 0:
        return  # an ordinary user needs no other face
    monkeypatch.setattr(identity, "user_namespaces_work", lambda: False)
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    home = Home(folder / "home")
    home.prepare()
    server = PostgresServer(home, durable=False)
    server.start()
    assert home.folder("postgres").stat().st_uid != 0
    assert psutil.Process(server.pid).uids().real != 0
    server.psql("lumen", "CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop()
    # Where namespaces work again, the files are still the other user's, and are opened as theirs.
    monkeypatch.setattr(identity, "user_namespaces_work", lambda: True)
    server.start()
    assert server.psql("lumen", "SELECT answer FROM kept") == "42"
    server.stop()
    shutil.rmtree(folder)
