"""The table of sources, and its SQL."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    any_,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.dialects.postgresql import insert as pg_insert

from server.kernel.database import Db, metadata
from server.sources.model import Failed, Fetched, File, Source

sources = Table(
    "sources",
    metadata,
    Column("id", PG_UUID, primary_key=True),
    Column("url", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("site_url", Text),
    Column("category", Text),
    Column("language", Text),
    Column("licence", Text),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    # Demo content is marked, so that it can be taken away again without touching anything else.
    Column("demo", Boolean, nullable=False, server_default=text("false")),
    Column("etag", Text),
    Column("last_modified", Text),
    Column("next_check_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("last_fetch_at", DateTime(timezone=True)),
    Column("last_success_at", DateTime(timezone=True)),
    Column("last_status", Integer),
    Column("last_error", Text),
    Column("error_count", Integer, nullable=False, server_default="0"),
    Column("item_count", Integer, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("error_count >= 0", name="error_count"),
    Index("ix_sources_due", "next_check_at", postgresql_where=text("enabled")),
    schema="content",
)


# Few and short-lived: a file is gone as soon as its items are there.
source_files = Table(
    "source_files",
    metadata,
    Column(
        "source_id",
        PG_UUID,
        ForeignKey("content.sources.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("content", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("given_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    schema="content",
)


async def insert(db: Db, source_id: UUID, values: dict[str, Any]) -> Source | None:
    """Store a source; None when its address is one already."""
    statement = (
        pg_insert(sources)
        .values(id=source_id, **values)
        .on_conflict_do_nothing(index_elements=["url"])
        .returning(*sources.c)
    )
    row = (await db.execute(statement)).mappings().first()
    return None if row is None else Source(**row)


async def by_ids(db: Db, ids: Collection[UUID]) -> dict[UUID, Source]:
    """Read sources."""
    wanted = literal(list(ids), ARRAY(PG_UUID))
    rows = await db.execute(select(*sources.c).where(sources.c.id == any_(wanted)))
    return {row["id"]: Source(**row) for row in rows.mappings()}


async def by_url(db: Db, url: str) -> Source | None:
    """Read the source that has an address."""
    row = (await db.execute(select(*sources.c).where(sources.c.url == url))).mappings().first()
    return None if row is None else Source(**row)


async def page(db: Db, after: UUID | None, limit: int) -> list[Source]:
    """Read sources by age, the latest first."""
    statement = select(*sources.c).order_by(sources.c.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(sources.c.id < after)
    return [Source(**row) for row in (await db.execute(statement)).mappings()]


async def demo_ids(db: Db) -> list[UUID]:
    """Read the ids of the sources that are demo content."""
    return list((await db.execute(select(sources.c.id).where(sources.c.demo))).scalars())


async def due(db: Db, now: datetime, limit: int) -> list[UUID]:
    """Read the ids of sources whose time has come, the longest overdue first."""
    statement = (
        select(sources.c.id)
        .where(sources.c.enabled, sources.c.next_check_at <= now)
        .order_by(sources.c.next_check_at)
        .limit(limit)
    )
    return list((await db.execute(statement)).scalars())


async def make_due(db: Db, source_id: UUID, now: datetime) -> bool:
    """Let a source be asked now; False when there is none that is asked at all."""
    statement = (
        sources.update()
        .where(sources.c.id == source_id, sources.c.enabled)
        .values(next_check_at=now)
        .returning(sources.c.id)
    )
    return (await db.execute(statement)).first() is not None


async def claim(db: Db, source_id: UUID, now: datetime, until: datetime) -> Source | None:
    """Begin a refresh: nobody else finds the source due until then."""
    statement = (
        sources.update()
        .where(sources.c.id == source_id)
        .values(last_fetch_at=now, next_check_at=until)
        .returning(*sources.c)
    )
    row = (await db.execute(statement)).mappings().first()
    return None if row is None else Source(**row)


async def record_success(db: Db, source: Source, outcome: Fetched, now: datetime) -> bool:
    """Write down a refresh that went well; False when a later one has begun since."""
    about = outcome.about
    statement = (
        sources.update()
        .where(sources.c.id == source.id, sources.c.last_fetch_at == source.last_fetch_at)
        .values(
            # A title that was given by hand stands; until then the address stood in its place.
            title=(about.title or source.title) if source.title == source.url else source.title,
            site_url=about.site_url or source.site_url,
            language=source.language or about.language,
            licence=about.licence or source.licence,
            etag=outcome.etag,
            last_modified=outcome.last_modified,
            last_success_at=now,
            last_status=outcome.status,
            last_error=None,
            error_count=0,
            item_count=sources.c.item_count + outcome.new_items,
            next_check_at=outcome.next_check_at,
        )
        .returning(sources.c.id)
    )
    return (await db.execute(statement)).first() is not None


async def record_failure(db: Db, source: Source, outcome: Failed) -> bool:
    """Write down a refresh that failed; False when a later one has begun since."""
    statement = (
        sources.update()
        .where(sources.c.id == source.id, sources.c.last_fetch_at == source.last_fetch_at)
        .values(
            last_status=outcome.status,
            last_error=outcome.reason,
            error_count=sources.c.error_count + 1,
            next_check_at=outcome.next_check_at,
        )
        .returning(sources.c.id)
    )
    return (await db.execute(statement)).first() is not None


async def give(db: Db, source_id: UUID, content: bytes) -> None:
    """Keep a feed that came as a file until it is taken in, in the place of an earlier one."""
    given = pg_insert(source_files).values(source_id=source_id, content=content)
    await db.execute(
        given.on_conflict_do_update(
            index_elements=["source_id"],
            set_={"content": given.excluded.content, "attempts": 0, "given_at": func.now()},
        )
    )


async def begin_file(db: Db, source_id: UUID) -> File | None:
    """Count an attempt at a file, and read it; None when there is none any more."""
    begun = (
        source_files.update()
        .where(source_files.c.source_id == source_id)
        .values(attempts=source_files.c.attempts + 1)
        .returning(source_files.c.content, source_files.c.attempts, source_files.c.given_at)
    )
    row = (await db.execute(begun)).one_or_none()
    return None if row is None else File(*row)


async def drop_file(db: Db, source_id: UUID, file: File) -> None:
    """Forget a file, unless another has come in its place."""
    await db.execute(
        source_files.delete().where(
            source_files.c.source_id == source_id, source_files.c.given_at == file.given_at
        )
    )


async def untaken(db: Db, before: datetime, limit: int) -> list[UUID]:
    """Read which sources have waited with a file since before a moment, the oldest first."""
    statement = (
        select(source_files.c.source_id)
        .where(source_files.c.given_at < before)
        .order_by(source_files.c.given_at)
        .limit(limit)
    )
    return list((await db.execute(statement)).scalars())


async def delete(db: Db, ids: Collection[UUID]) -> int:
    """Remove sources; their items must be gone already."""
    wanted = literal(list(ids), ARRAY(PG_UUID))
    return (await db.execute(sources.delete().where(sources.c.id == any_(wanted)))).rowcount
