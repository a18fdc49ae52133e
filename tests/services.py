"""Real servers for tests: started once for a run, with a fresh database for each test."""

import asyncio
import secrets
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from server.cli import schema

Result = TypeVar("Result")


class Databases:
    """Makes and drops databases on one PostgreSQL."""

    def __init__(self, admin_url: str) -> None:
        self._admin_url = admin_url

    def url(self, database: str) -> str:
        return urlunsplit(urlsplit(self._admin_url)._replace(path=f"/{database}"))

    def create(self, template: str | None = None) -> str:
        """Create a database, empty or like another; its name."""
        name = f"lumen_test_{secrets.token_hex(8)}"
        self.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        return name

    def create_migrated(self) -> str:
        """Create a database that has every table."""
        name = self.create()
        in_a_thread(_in_loop(schema.up, self.url(name)))
        return name

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def execute(self, statement: str, database: str | None = None) -> None:
        url = self._admin_url if database is None else self.url(database)
        in_a_thread(_execute(url, statement))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _in_loop(function: Any, *arguments: Any) -> None:
    await asyncio.to_thread(function, *arguments)


def in_a_thread(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end without touching the loop of the test around it.

    Playwright's synchronous browser leaves such a loop behind it in its thread.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
