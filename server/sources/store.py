"""The table of sources, and its SQL."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    REAL,
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
    case,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.dialects.postgresql import insert as pg_insert

from server.kernel.database import Db, metadata
from server.sources.model import Failed, Fetched, Source, host_of

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
    # By which politeness is counted.
    Column("host", Text, nullable=False, server_default=""),
    Column("kind", Text, nullable=False, server_default="auto"),
    # What came with the first answer was not new when it came, and counts for no freshness.
    Column("first_success_at", DateTime(timezone=True)),
    Column("moved_to", Text),
    Column("moved_count", Integer, nullable=False, server_default="0"),
    Column("retired_at", DateTime(timezone=True)),
    Column("notice", Text),
    Column("weekly", Integer, nullable=False, server_default="0"),
    CheckConstraint("error_count >= 0", name="error_count"),
    CheckConstraint("kind in ('auto', 'feed', 'sitemap', 'page')", name="kind"),
    Index("ix_sources_due", "next_check_at", postgresql_where=text("enabled")),
    Index("ix_sources_host", "host", "next_check_at", postgresql_where=text("enabled")),
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


source_fetches = Table(
    "source_fetches",
    metadata,
    Column("id", PG_UUID, primary_key=True),
    Column(
        "source_id", PG_UUID, ForeignKey("content.sources.id", ondelete="CASCADE"), nullable=False
    ),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("outcome", Text, nullable=False),
    Column("status", Integer),
    Column("reason", Text),
    Column("seconds", REAL, nullable=False, server_default="0"),
    Column("bytes", Integer, nullable=False, server_default="0"),
    Column("new_items", Integer, nullable=False, server_default="0"),
    Column("edited_items", Integer, nullable=False, server_default="0"),
    CheckConstraint(
        "outcome in ('taken', 'unchanged', 'failed', 'pushed', 'retired')", name="outcome"
    ),
    Index("ix_source_fetches_source", "source_id", text("id desc")),
    schema="content",
)

# What an address would bring, for who asked; kept for an hour.
source_previews = Table(
    "source_previews",
    metadata,
    Column("id", PG_UUID, primary_key=True),
    Column("url", Text, nullable=False),
    Column("asked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("result", JSONB),
    schema="content",
)

# With the hubs of sources that have one (W3C WebSub).
source_subscriptions = Table(
    "source_subscriptions",
    metadata,
    Column(
        "source_id",
        PG_UUID,
        ForeignKey("content.sources.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("hub", Text, nullable=False),
    Column("topic", Text, nullable=False),
    # The hub signs with it what it sends.
    Column("secret", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="wanted"),
    # When the hub is asked, or asked again; null when it is not.
    Column("ask_at", DateTime(timezone=True), server_default=func.now()),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("expires_at", DateTime(timezone=True)),
    Column("pushed_at", DateTime(timezone=True)),
    Column("error", Text),
    CheckConstraint("state in ('wanted', 'active', 'denied')", name="state"),
    Index("ix_source_subscriptions_ask", "ask_at"),
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


# Of each host the longest overdue, and not many: the rest would only wait for one another.
_DUE = text(
    """
    select id from (
      select id, next_check_at,
        row_number() over (partition by host order by next_check_at) as turn
      from content.sources
      where enabled and next_check_at <= :now
    ) overdue
    where turn <= :of_a_host
    order by next_check_at
    limit :most
    """
)


async def due(db: Db, now: datetime, limit: int, of_a_host: int) -> list[UUID]:
    """Read the ids of sources whose time has come, the longest overdue first."""
    rows = await db.execute(_DUE, {"now": now, "most": limit, "of_a_host": of_a_host})
    return list(rows.scalars())


async def make_due(db: Db, source_id: UUID, now: datetime) -> bool:
    """Let a source be asked now, one that was retired too; False when none is asked at all."""
    statement = (
        sources.update()
        .where(sources.c.id == source_id, sources.c.enabled | sources.c.retired_at.is_not(None))
        .values(next_check_at=now, enabled=True, retired_at=None, notice=None)
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


async def postpone(db: Db, source: Source, until: datetime) -> bool:
    """Put a refresh off that had no turn; False when a later one has begun since."""
    statement = (
        sources.update()
        .where(sources.c.id == source.id, sources.c.last_fetch_at == source.last_fetch_at)
        .values(next_check_at=until)
        .returning(sources.c.id)
    )
    return (await db.execute(statement)).first() is not None


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
            first_success_at=source.first_success_at or now,
            last_status=outcome.status,
            last_error=None,
            error_count=0,
            item_count=sources.c.item_count + outcome.new_items,
            next_check_at=outcome.next_check_at,
            weekly=outcome.weekly,
            kind=outcome.kind or source.kind,
            moved_to=outcome.moved_to,
            moved_count=(source.moved_count if source.moved_to == outcome.moved_to else 0)
            + (outcome.moved_to is not None),
        )
        .returning(sources.c.id)
    )
    return (await db.execute(statement)).first() is not None


async def move(db: Db, source: Source, url: str) -> bool:
    """Give a source its new address; False when that is another source's."""
    taken = select(sources.c.id).where(sources.c.url == url).exists()
    statement = (
        sources.update()
        .where(sources.c.id == source.id, ~taken)
        .values(
            url=url,
            host=host_of(url),
            # The old address may have stood in the title's place.
            title=case((sources.c.title == source.url, url), else_=sources.c.title),
            moved_to=None,
            moved_count=0,
        )
        .returning(sources.c.id)
    )
    return (await db.execute(statement)).first() is not None


async def retire(db: Db, source_id: UUID, notice: str, now: datetime) -> None:
    """Ask a source no more."""
    await db.execute(
        sources.update()
        .where(sources.c.id == source_id)
        .values(enabled=False, retired_at=now, notice=notice)
    )


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


async def delete(db: Db, ids: Collection[UUID]) -> int:
    """Remove sources; their items must be gone already."""
    wanted = literal(list(ids), ARRAY(PG_UUID))
    return (await db.execute(sources.delete().where(sources.c.id == any_(wanted)))).rowcount
