"""A database's tables and the version of them that this code expects."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from msgspec import Struct
from sqlalchemy import Connection, inspect

from server.kernel import partitions
from server.kernel.clock import SystemClock
from server.kernel.database import Database

_SCRIPTS = Path(__file__).parents[2] / "migrations"


class Versions(Struct, frozen=True):
    """Where a database stands and where this code would have it."""

    database: str | None
    code: str | None

    @property
    def agree(self) -> bool:
        """Whether there is nothing to migrate."""
        return self.database == self.code


def configuration(database_url: str | None = None) -> Config:
    """What alembic needs to know; `migrations/env.py` reads the URL from its attributes."""
    config = Config(stdout=sys.stderr)
    # A percent sign in a folder's name is no interpolation.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["database_url"] = database_url
    return config


def up(database_url: str, revision: str = "head") -> None:
    """Apply every migration that is missing, and make the partitions of the coming months."""
    command.upgrade(configuration(database_url), revision)
    if revision == "head":
        asyncio.run(_make_partitions(database_url))


def down(database_url: str, revision: str) -> None:
    """Take migrations back, to a revision or by a count such as `-1`."""
    command.downgrade(configuration(database_url), revision)


def write(message: str) -> list[Path]:
    """Write an empty revision that follows the last one; the files made."""
    made: Any = command.revision(configuration(), message, rev_id=_next_number())
    scripts = made if isinstance(made, list) else [made]
    return [Path(script.path) for script in scripts if script is not None]


def versions(database_url: str) -> Versions:
    """Compare a database with this code."""
    return asyncio.run(_versions(database_url))


async def _make_partitions(database_url: str) -> None:
    database = Database(database_url)
    try:
        async with database.begin() as db:
            await partitions.ensure(db, SystemClock().now())
    finally:
        await database.close()


async def _versions(database_url: str) -> Versions:
    database = Database(database_url)
    try:
        async with database.read() as db:
            return Versions(await db.run_sync(_revision), _head())
    finally:
        await database.close()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version", schema="public"):
        return None
    return MigrationContext.configure(connection).get_current_revision()


def _head() -> str | None:
    return ScriptDirectory.from_config(configuration()).get_current_head()


def _next_number() -> str:
    return f"{int(_head() or 0) + 1:04}"
