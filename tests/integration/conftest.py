"""The services of one process on real stores, and the whole app in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from server.bootstrap import services_of
from server.kernel.services import Services
from server.settings import Settings, load

SECRET = "a secret of the tests, long enough to be taken"


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings of a node on databases of the test's own."""
    return load(
        {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "LUMEN_HOME": str(tmp_path / "lumen"),
            "SECRET_KEY": SECRET,
            "FETCH_PRIVATE_ADDRESSES": "true",
            "DATABASE_POOL": "10",
        }
    )


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    """The services of a process that holds no sockets."""
    async with services_of(settings) as opened:
        yield opened


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Starlette]:
    """The web app, started."""
    from server.app import create_app  # noqa: PLC0415 - tests of one domain do not load them all

    created = create_app(settings)
    async with created.router.lifespan_context(created):
        yield created


@asynccontextmanager
async def client_of(app: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    """An HTTP client with a cookie jar of its own; errors of the app are answers, not raised."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://lumen.test") as client:
        yield client


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    """A visitor's HTTP client."""
    async with client_of(app) as opened:
        yield opened
