"""Runs migrations over asyncpg; the URL comes from whoever calls, never from a file."""

import asyncio
from typing import Any

from alembic import context
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine

from server.kernel.database import SCHEMAS, driver_url
from server.tables import all_tables


def include_object(item: Any, name: str | None, kind: str, *_: Any) -> bool:
    """Leave partitions alone: the scheduler makes them, and their parent describes them."""
    if kind == "table" and item.schema in SCHEMAS:
        return f"{item.schema}.{name}" in all_tables().tables
    return kind != "table" or item.schema in SCHEMAS


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Look at our own schemas only."""
    return kind != "schema" or name in SCHEMAS


def run(connection: Connection) -> None:
    """Run the migrations on an open connection, all or none."""
    context.configure(
        connection=connection,
        target_metadata=all_tables(),
        include_schemas=True,
        include_object=include_object,
        include_name=include_name,
        compare_type=True,
        version_table_schema="public",
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_over_asyncpg(url: str) -> None:
    """Connect and run."""
    engine = create_async_engine(driver_url(url), poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


given = context.config.attributes
if given.get("connection") is not None:
    run(given["connection"])
else:
    asyncio.run(run_over_asyncpg(given["database_url"]))
