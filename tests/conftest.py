"""What every test may ask for; a server is started only when a test does ask."""

import os
import shutil
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from server.embedded import RedisServer
    from tests.services import Databases


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything is at hand, a skipped test is a failure: nobody would see it."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Skipped, which CI does not take: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Databases"]:
    """A PostgreSQL: the one that DATABASE_URL names, or one of this run's own."""
    from tests.services import Databases

    if os.environ.get("DATABASE_URL"):
        yield Databases(os.environ["DATABASE_URL"])
        return
    from server.embedded import Home, PostgresServer

    home = Home(tmp_path_factory.mktemp("postgres"))
    home.prepare()
    server = PostgresServer(home, durable=False)
    server.start()
    yield Databases(server.url())
    server.stop()
    shutil.rmtree(home.path, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated_template(postgres: "Databases") -> Iterator[str]:
    """The name of a database with every table, to copy from and never to write to."""
    name = postgres.create_migrated()
    yield name
    postgres.drop(name)


@pytest.fixture
def database_url(postgres: "Databases", migrated_template: str) -> Iterator[str]:
    """A database of the test's own, with every table and no rows."""
    name = postgres.create(template=migrated_template)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def empty_database_url(postgres: "Databases") -> Iterator[str]:
    """A database of the test's own without any table."""
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator["RedisServer"]:
    """One Redis for the whole run; ask for `redis_url` instead."""
    yield from _redis(tmp_path_factory)


@pytest.fixture
def redis_url(shared_redis: "RedisServer") -> str:
    """An empty Redis."""
    import redis

    with redis.Redis.from_url(shared_redis.url) as client:
        client.flushall()
    return shared_redis.url


@pytest.fixture
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator["RedisServer"]:
    """A Redis of the test's own, which it may `kill()`, `stop()` and `start()` again."""
    yield from _redis(tmp_path_factory)


def _redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator["RedisServer"]:
    from server.embedded import Home, RedisServer

    home = Home(tmp_path_factory.mktemp("redis"))
    home.prepare()
    server = RedisServer(home)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(home.path, ignore_errors=True)
