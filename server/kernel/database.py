"""The way to PostgreSQL: one engine a process, one metadata for every table, three schemas."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from sqlalchemy import MetaData, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from server.kernel import metrics

Db: TypeAlias = AsyncConnection

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

SCHEMAS = ("content", "engage", "ops")


class Database:
    """A pool of connections, opened lazily and bounded.

    `begin` is a transaction, for whatever writes; `read` runs each statement by itself, which
    spares a read two round trips.
    """

    def __init__(self, url: str, *, pool: int = 25) -> None:
        # A connection older than five minutes is made anew (T-25): a failover is then soon seen.
        self._engine: AsyncEngine = create_async_engine(
            driver_url(url),
            # What was opened is kept: to open one takes longer than what is mostly asked of it.
            pool_size=pool,
            max_overflow=0,
            pool_use_lifo=True,
            pool_recycle=300,
            pool_timeout=5,
            # The message of a failed statement is logged: it must not repeat addresses and hashes.
            hide_parameters=True,
            connect_args={
                "timeout": 10,
                "server_settings": {"application_name": "lumen", "jit": "off"},
            },
        )
        event.listen(self._engine.sync_engine, "before_cursor_execute", _began)
        event.listen(self._engine.sync_engine, "after_cursor_execute", _ended)
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def engine(self) -> AsyncEngine:
        """The engine itself, for metrics of its pool."""
        return self._engine

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Db]:
        """Open a transaction that commits when the block ends and rolls back when it raises."""
        async with self._engine.begin() as db:
            yield db

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Db]:
        """Lend a connection whose statements each stand alone."""
        async with self._reading.connect() as db:
            yield db

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


_KINDS = frozenset({"select", "insert", "update", "delete", "with"})


def _began(connection: Any, *_: Any) -> None:
    connection.info["began"] = time.perf_counter()


def _ended(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    """Observe a statement by its first word; its text would make a series of every query."""
    word = statement.lstrip()[:6].split(maxsplit=1)[0].lower()
    kind = word if word in _KINDS else "other"
    metrics.db_seconds.labels(kind).observe(time.perf_counter() - connection.info["began"])


def driver_url(given: str) -> str:
    """Turn a PostgreSQL URL as hosts give it into the one that SQLAlchemy and asyncpg take."""
    parts = urlsplit(given)
    query = dict(parse_qsl(parts.query))
    # asyncpg says `ssl` where libpq says `sslmode`; channel_binding it does not know at all.
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    query.pop("channel_binding", None)
    return urlunsplit(("postgresql+asyncpg", parts.netloc, parts.path, urlencode(query), ""))


def listen_url(given: str) -> str:
    """Turn a PostgreSQL URL into the one that asyncpg takes by itself, for LISTEN and NOTIFY."""
    return urlsplit(driver_url(given))._replace(scheme="postgresql").geturl()
