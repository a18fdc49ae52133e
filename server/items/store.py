"""The tables of items and of their identity, and their SQL."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    REAL,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    RowMapping,
    Table,
    Text,
    any_,
    bindparam,
    func,
    literal,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.items.model import KINDS, Chapter, Entry, Listed, NewItem, StoredItem, Words
from server.kernel.database import Db, metadata
from server.kernel.ids import floor_of

DIMENSIONS = 384

items = Table(
    "items",
    metadata,
    # The id's time is when Lumen first saw the item; partitions are ranges of ids.
    Column("id", PG_UUID, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="live"),
    Column("author_id", PG_UUID, ForeignKey("content.users.id")),
    Column("author_name", Text),
    Column("source_id", PG_UUID, ForeignKey("content.sources.id")),
    Column("category", Text),
    Column("language", Text),
    Column("title", Text),
    # Plain text for cards, search and embeddings; sanitised HTML for reading.
    Column("body_text", Text, nullable=False, server_default=""),
    Column("body_html", Text, nullable=False, server_default=""),
    Column("url", Text),
    Column("image_url", Text),
    Column("video_url", Text),
    Column("tags", ARRAY(Text), nullable=False, server_default="{}"),
    # The cluster of near-duplicates: an item's own id until a twin is found.
    Column("story_id", PG_UUID, nullable=False),
    # A comment's target; what is said about it lives in comments.
    Column("target_id", PG_UUID),
    Column("published_at", DateTime(timezone=True), nullable=False),
    Column("first_seen_at", DateTime(timezone=True), nullable=False),
    # A forged date in the future cannot lift an item over the others.
    Column(
        "sort_at",
        DateTime(timezone=True),
        Computed("least(published_at, first_seen_at)", persisted=True),
        nullable=False,
    ),
    Column("edited_at", DateTime(timezone=True)),
    # What a podcast brings; a film's address is `video_url`.
    Column("audio_url", Text),
    Column("duration_sec", REAL),
    Column("chapters", JSONB),
    # Where the picture is kept, once it is.
    Column("image_key", Text),
    CheckConstraint(f"kind in ({', '.join(repr(kind) for kind in KINDS)})", name="kind"),
    CheckConstraint("state in ('live', 'retracted')", name="state"),
    Index(
        "ix_items_live_sort",
        text("sort_at desc"),
        text("id desc"),
        postgresql_where=text("state = 'live'"),
    ),
    Index("ix_items_source", "source_id", text("sort_at desc")),
    Index("ix_items_author", "author_id", text("sort_at desc"), text("id desc")),
    Index("ix_items_story", "story_id"),
    schema="content",
    postgresql_partition_by="RANGE (id)",
)

item_identity = Table(
    "item_identity",
    metadata,
    Column(
        "source_id", PG_UUID, ForeignKey("content.sources.id", ondelete="CASCADE"), primary_key=True
    ),
    # SHA-256 of what makes an entry itself: its GUID, else its link, else its text.
    Column("digest", LargeBinary, primary_key=True),
    # Null is a tombstone: the entry was here, was removed, and shall not come back.
    Column("item_id", PG_UUID),
    # The fingerprint of the entry's content, to see that it was edited.
    Column("content_digest", LargeBinary, nullable=False),
    # The normalised link, by which other sources' copies are recognised.
    Column("url_digest", LargeBinary),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    # An answer names what it answers by its GUID alone.
    Index(None, "digest"),
    Index(None, "url_digest"),
    Index(None, "item_id"),
    schema="content",
)

item_embeddings = Table(
    "item_embeddings",
    metadata,
    Column("item_id", PG_UUID, primary_key=True),
    Column("model", Text, primary_key=True),
    # Copied in, so that a filtered nearest-neighbour scan needs no join.
    Column("kind", Text, nullable=False),
    Column("source_id", PG_UUID),
    Column("sort_at", DateTime(timezone=True), nullable=False),
    Column("embedding", HALFVEC(DIMENSIONS), nullable=False),
    Index(
        "ix_item_embeddings_hnsw",
        "embedding",
        postgresql_using="hnsw",
        postgresql_with={"m": 16, "ef_construction": 64},
        postgresql_ops={"embedding": "halfvec_cosine_ops"},
    ),
    Index("ix_item_embeddings_sort", "kind", text("sort_at desc")),
    schema="content",
    postgresql_partition_by="RANGE (item_id)",
)

_LISTED = tuple(items.c[name] for name in Listed.__struct_fields__)
_KEPT = tuple(items.c[name] for name in StoredItem.__struct_fields__)
# What an edit at the source may change; kind, id and dates stay what they were.
_EDITABLE = (
    "title",
    "body_text",
    "body_html",
    "url",
    "image_url",
    "video_url",
    "audio_url",
    "duration_sec",
    "author_name",
    "category",
    "tags",
)


async def insert(db: Db, rows: Sequence[dict[str, Any]]) -> None:
    """Store items."""
    if rows:
        await db.execute(items.insert(), list(rows))


async def edit(db: Db, changed: Sequence[tuple[UUID, Entry]], now: datetime) -> None:
    """Give live items their new text."""
    if not changed:
        return
    statement = (
        items.update()
        .where(items.c.id == bindparam("the_id"), items.c.state == "live")
        .values({name: bindparam(name) for name in _EDITABLE} | {"edited_at": now})
    )
    await db.execute(
        statement,
        [
            {"the_id": item_id}
            | {name: getattr(entry, name) for name in _EDITABLE}
            | {"tags": list(entry.tags)}
            for item_id, entry in changed
        ],
    )


async def rewrite(db: Db, item_id: UUID, given: Words, now: datetime) -> bool:
    """Give a live item other words; False when it is gone."""
    changed = (
        items.update()
        .where(items.c.id == item_id, items.c.state == "live")
        .values(
            body_text=given.body_text,
            body_html=given.body_html,
            tags=list(given.tags),
            edited_at=now,
        )
    )
    return (await db.execute(changed)).rowcount == 1


async def retract(db: Db, ids: Collection[UUID], author_id: UUID | None) -> list[UUID]:
    """Hide live items, all of them or only those of an author; gives those that were live."""
    statement = (
        items.update()
        .where(items.c.id == any_of(ids), items.c.state == "live")
        .values(state="retracted")
        .returning(items.c.id)
    )
    if author_id is not None:
        statement = statement.where(items.c.author_id == author_id)
    return list((await db.execute(statement)).scalars())


async def restore(db: Db, ids: Collection[UUID]) -> list[UUID]:
    """Show retracted items again; gives those that were retracted."""
    statement = (
        items.update()
        .where(items.c.id == any_of(ids), items.c.state == "retracted")
        .values(state="live")
        .returning(items.c.id)
    )
    return list((await db.execute(statement)).scalars())


async def newest_of(db: Db, author_id: UUID, most: int) -> list[UUID]:
    """Read the ids of the newest live items of somebody."""
    newest = (
        select(items.c.id)
        .where(items.c.author_id == author_id, items.c.state == "live")
        .order_by(items.c.sort_at.desc(), items.c.id.desc())
        .limit(most)
    )
    return list((await db.execute(newest)).scalars())


async def blank_of(db: Db, author_id: UUID) -> None:
    """Leave no text of what somebody wrote."""
    blank: dict[str, Any] = {
        "title": None,
        "body_text": "",
        "body_html": "",
        "url": None,
        "tags": [],
    }
    pictures = {"image_url": None, "video_url": None, "audio_url": None}
    written = items.update().where(items.c.author_id == author_id)
    await db.execute(written.values(**blank, **pictures))


async def delete(db: Db, ids: Collection[UUID]) -> None:
    """Remove items."""
    await db.execute(items.delete().where(items.c.id == any_of(ids)))


async def by_ids(db: Db, ids: Collection[UUID]) -> dict[UUID, StoredItem]:
    """Read items, live or not."""
    rows = await db.execute(select(*_KEPT).where(items.c.id == any_of(ids)))
    return {row["id"]: _stored(row) for row in rows.mappings()}


def _stored(row: RowMapping) -> StoredItem:
    values = dict(row)
    if values["chapters"]:
        values["chapters"] = msgspec.convert(values["chapters"], list[Chapter])
    return StoredItem(**values)


async def of_sources(db: Db, source_ids: Collection[UUID]) -> list[UUID]:
    """Read the ids of all items of some sources."""
    rows = await db.execute(select(items.c.id).where(items.c.source_id == any_of(source_ids)))
    return list(rows.scalars())


async def aimed_at(db: Db, ids: Collection[UUID]) -> list[UUID]:
    """Read the ids of the comments on some items."""
    rows = await db.execute(select(items.c.id).where(items.c.target_id == any_of(ids)))
    return list(rows.scalars())


async def count_since(db: Db, source_id: UUID, since: datetime) -> int:
    """Count what a source has published since."""
    statement = select(func.count()).where(
        items.c.source_id == source_id,
        items.c.sort_at >= since,
        # What was published since was also seen since: older partitions need no look.
        items.c.id >= floor_of(since),
    )
    return (await db.execute(statement)).scalar_one()


async def set_author(db: Db, source_id: UUID, author_name: str, author_id: UUID) -> None:
    """Give what a name wrote in a source to a person."""
    await db.execute(
        items.update()
        .where(items.c.source_id == source_id, items.c.author_name == author_name)
        .values(author_id=author_id)
    )


async def listed(
    db: Db,
    *,
    kinds: Collection[str],
    since: datetime,
    limit: int,
    model: str | None = None,
    before: tuple[datetime, UUID] | None = None,
) -> list[Listed]:
    """Read live items, the newest first; with a model, only those that it has embedded."""
    statement = (
        select(*_LISTED)
        .where(
            items.c.state == "live",
            items.c.kind == any_(literal(list(kinds), ARRAY(Text))),
            items.c.sort_at >= since,
            items.c.id >= floor_of(since),
        )
        .order_by(items.c.sort_at.desc(), items.c.id.desc())
        .limit(limit)
    )
    if model is not None:
        statement = statement.where(
            select(item_embeddings.c.item_id)
            .where(item_embeddings.c.item_id == items.c.id, item_embeddings.c.model == model)
            .exists()
        )
    if before is not None:
        statement = statement.where(
            tuple_(items.c.sort_at, items.c.id)
            < tuple_(literal(before[0], DateTime(timezone=True)), literal(before[1], PG_UUID))
        )
    return [Listed(**row) for row in (await db.execute(statement)).mappings()]


def row_of(
    item_id: UUID,
    entry: Entry,
    *,
    source_id: UUID,
    story: UUID,
    target: UUID | None,
    now: datetime,
) -> dict[str, Any]:
    """Make the row of an entry of a source; one that answers an item is a comment."""
    return {
        "id": item_id,
        "kind": entry.kind if target is None else "COMMENT",
        "author_name": entry.author_name,
        "author_id": None,
        "source_id": source_id,
        "category": entry.category,
        "language": entry.language,
        "title": entry.title,
        "body_text": entry.body_text,
        "body_html": entry.body_html,
        "url": entry.url,
        "image_url": entry.image_url,
        "video_url": entry.video_url,
        "audio_url": entry.audio_url,
        "duration_sec": entry.duration_sec,
        "chapters": msgspec.to_builtins(entry.chapters) or None,
        "tags": list(entry.tags),
        "story_id": story,
        "target_id": target,
        "published_at": entry.published_at,
        "first_seen_at": now,
    }


def row_written(new: NewItem, now: datetime) -> dict[str, Any]:
    """Make the row of an item that a person wrote here."""
    return {
        "id": new.id,
        "kind": new.kind,
        "author_id": new.author_id,
        "title": new.title,
        "body_text": new.body_text,
        "body_html": new.body_html,
        "category": new.category,
        "language": new.language,
        "tags": list(new.tags),
        "story_id": new.id,
        "target_id": new.target_id,
        "published_at": now,
        "first_seen_at": now,
    }


def any_of(ids: Collection[UUID]) -> Any:
    """Write a set of ids as one parameter, however many there are."""
    return any_(literal(list(ids), ARRAY(PG_UUID)))
