"""The thread columns of comments; their text is an item like any other."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Index,
    SmallInteger,
    Table,
    any_,
    bindparam,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.dialects.postgresql import insert as pg_insert

from server.comments.model import Sort, Thread, View
from server.kernel.database import Db, metadata
from server.kernel.ids import floor_of

comments = Table(
    "comments",
    metadata,
    # The id of the item of kind COMMENT that holds author, text and state.
    Column("id", PG_UUID, primary_key=True),
    Column("target_id", PG_UUID, nullable=False),
    Column("parent_id", PG_UUID),
    # The first comment of the thread: a page of threads is one range scan.
    Column("root_id", PG_UUID, nullable=False),
    Column("depth", SmallInteger, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # Its author took it away; the place is kept for those who answered.
    Column("deleted_at", DateTime(timezone=True)),
    CheckConstraint("depth between 0 and 8", name="depth"),
    Index("ix_comments_target", "target_id", "id"),
    Index("ix_comments_parent", "parent_id", "id", postgresql_where=text("parent_id is not null")),
    Index("ix_comments_threads", "target_id", "id", postgresql_where=text("depth = 0")),
    schema="content",
    postgresql_partition_by="RANGE (id)",
)


class Place(Struct, frozen=True):
    """Which list of comments is meant, and from which end it is read."""

    is_comment: bool
    sort: Sort = "newest"
    view: View = "all"


_THREAD = tuple(comments.c[name] for name in Thread.__struct_fields__)


async def insert(db: Db, thread: Thread) -> bool:
    """Store a comment's place; False when it has one already."""
    statement = (
        pg_insert(comments)
        .values(**msgspec.structs.asdict(thread))
        .on_conflict_do_nothing(index_elements=["id"])
        .returning(comments.c.id)
    )
    return (await db.execute(statement)).first() is not None


async def by_ids(db: Db, ids: Collection[UUID]) -> dict[UUID, Thread]:
    """Read the places of comments; what is no comment is left out."""
    if not ids:
        return {}
    wanted = comments.c.id == any_(literal(list(ids), ARRAY(PG_UUID)))
    rows = await db.execute(select(*_THREAD).where(wanted))
    return {row.id: Thread(*row) for row in rows}


async def hold(db: Db, comment_id: UUID, *, shared: bool = False) -> Thread | None:
    """Read a comment's place and keep others from removing it until the end.

    Those who answer share their hold; who takes it away waits for them, and they for that.
    """
    held = select(*_THREAD).where(comments.c.id == comment_id)
    held = held.with_for_update(key_share=True, read=True) if shared else held.with_for_update()
    row = (await db.execute(held)).one_or_none()
    return None if row is None else Thread(*row)


async def mark_deleted(db: Db, comment_id: UUID, now: datetime) -> None:
    """Note that a comment's author took it away."""
    await db.execute(comments.update().where(comments.c.id == comment_id).values(deleted_at=now))


# Of a place that its author gave up, and that nobody answered, nothing needs to stay.
_REMOVE_LEAF = text(
    """
    delete from content.comments leaf
    where leaf.id = :id and leaf.deleted_at is not null
      and not exists (select from content.comments answer where answer.parent_id = leaf.id)
    """
)


async def remove_leaf(db: Db, comment_id: UUID) -> bool:
    """Remove the place of a deleted comment without answers; False when it stays."""
    return (await db.execute(_REMOVE_LEAF, {"id": comment_id})).rowcount == 1


async def page(
    db: Db, under: UUID, place: Place, *, after: UUID | None, limit: int
) -> list[Thread]:
    """Read what stands under an item, or what answers a comment, in the order of a place."""
    column = comments.c.parent_id if place.is_comment else comments.c.target_id
    order = comments.c.id.asc() if place.sort == "oldest" else comments.c.id.desc()
    statement = select(*_THREAD).where(column == under).order_by(order).limit(limit)
    if place.view == "threads" and not place.is_comment:
        statement = statement.where(comments.c.depth == 0)
    if after is not None:
        later = comments.c.id > after if place.sort == "oldest" else comments.c.id < after
        statement = statement.where(later)
    return [Thread(*row) for row in await db.execute(statement)]


async def since(db: Db, target_id: UUID, moment: datetime, limit: int) -> list[Thread]:
    """Read what was written under an item since a moment, the newest first."""
    statement = (
        select(*_THREAD)
        .where(comments.c.target_id == target_id, comments.c.id >= floor_of(moment))
        .order_by(comments.c.id.desc())
        .limit(limit)
    )
    return [Thread(*row) for row in await db.execute(statement)]


_COUNTED = text(
    """
    select wanted.item_id,
      (select count(*) from content.comments c where c.target_id = wanted.item_id)
      + (select count(*) from content.comments c where c.parent_id = wanted.item_id) as comments
    from unnest(cast(:ids as uuid[])) as wanted (item_id)
    """
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID)))


async def counted(db: Db, ids: Collection[UUID]) -> dict[UUID, int]:
    """Count the comments under items, and the direct answers to comments."""
    rows = await db.execute(_COUNTED, {"ids": list(ids)})
    return {row.item_id: row.comments for row in rows}


async def begin_repeatable(db: Db) -> None:
    """Let every statement of a fresh transaction see the same state of the tables."""
    await db.execute(text("set transaction isolation level repeatable read"))


async def forget(db: Db, ids: Collection[UUID]) -> None:
    """Remove the places of comments that are removed whole, and of those under such items."""
    gone = literal(list(ids), ARRAY(PG_UUID))
    await db.execute(
        comments.delete().where(
            (comments.c.id == any_(gone)) | (comments.c.target_id == any_(gone))
        )
    )
