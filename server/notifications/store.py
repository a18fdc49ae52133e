"""The table of notifications, and its SQL."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    Column,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    func,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.kernel.database import Db, metadata
from server.kernel.ids import new_id
from server.notifications.model import MOST_ACTORS, Kind, Notice

notifications = Table(
    "notifications",
    metadata,
    Column("user_id", PG_UUID, primary_key=True),
    Column("id", PG_UUID, primary_key=True),
    Column("kind", Text, nullable=False),
    # What it is about, and the item where it happened.
    Column("target_id", PG_UUID, nullable=False),
    Column("item_id", PG_UUID, nullable=False),
    Column("comment_id", PG_UUID),
    # Newest first, distinct, bounded; `actor_count` counts them all.
    Column("actor_ids", ARRAY(PG_UUID), nullable=False),
    Column("actor_count", Integer, nullable=False, server_default="0"),
    Column("excerpt", Text, nullable=False, server_default=""),
    # Unread notifications of one kind on one target are one row.
    Column("group_key", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("read_at", DateTime(timezone=True)),
    Index(
        "uq_notifications_unread_group",
        "user_id",
        "group_key",
        unique=True,
        postgresql_where=text("read_at is null"),
    ),
    Index("ix_notifications_newest", "user_id", text("updated_at desc"), text("id desc")),
    schema="engage",
)

# Who is counted in a notification; by it, a like that was taken back and given again is no news.
notification_actors = Table(
    "notification_actors",
    metadata,
    Column("user_id", PG_UUID, primary_key=True),
    Column("group_key", Text, primary_key=True),
    Column("actor_id", PG_UUID, primary_key=True),
    Column("notification_id", PG_UUID, primary_key=True),
    schema="engage",
)


class Kept(Struct, frozen=True):
    """A notification as it is stored."""

    id: UUID
    user_id: UUID
    kind: Kind
    target_id: UUID
    item_id: UUID
    comment_id: UUID | None
    actor_ids: list[UUID]
    actor_count: int
    excerpt: str
    created_at: datetime
    updated_at: datetime
    read_at: datetime | None


_KEPT = tuple(notifications.c[name] for name in Kept.__struct_fields__)

_KNOWN = text(
    """
    select 1 from engage.notification_actors
    where user_id = :user_id and group_key = :group_key and actor_id = :actor_id limit 1
    """
)
_GROUP = text(
    """
    insert into engage.notifications as kept
      (user_id, id, kind, target_id, item_id, comment_id, actor_ids, excerpt, group_key,
       created_at, updated_at)
    values (:user_id, :id, :kind, :target_id, :item_id, :comment_id, '{}', :excerpt, :group_key,
       :now, :now)
    on conflict (user_id, group_key) where read_at is null do update set
      comment_id = excluded.comment_id, excerpt = excluded.excerpt, updated_at = excluded.updated_at
    returning id
    """
)
_COUNT = text(
    """
    with fresh as (
      insert into engage.notification_actors (user_id, group_key, actor_id, notification_id)
      values (:user_id, :group_key, :actor_id, :id)
      on conflict do nothing returning 1)
    update engage.notifications set
      actor_ids = (array_prepend(
        cast(:actor_id as uuid), array_remove(actor_ids, cast(:actor_id as uuid))))[1 : :most],
      actor_count = actor_count + (select count(*) from fresh)
    where user_id = :user_id and id = :id
    """
)


async def known(db: Db, user_id: UUID, group_key: str, actor_id: UUID) -> bool:
    """Say whether a person has ever been told of this actor in this group."""
    given = {"user_id": user_id, "group_key": group_key, "actor_id": actor_id}
    return (await db.execute(_KNOWN, given)).first() is not None


async def record(db: Db, notice: Notice, group_key: str, now: datetime) -> UUID:
    """Write a notification, or let the unread one of its group grow; gives its id."""
    given = {
        "user_id": notice.user_id,
        "group_key": group_key,
        "kind": notice.kind,
        "target_id": notice.target_id,
        "item_id": notice.item_id,
        "comment_id": notice.comment_id,
        "excerpt": notice.excerpt,
        "id": new_id(),
        "now": now,
    }
    written: UUID = (await db.execute(_GROUP, given)).scalar_one()
    # The row is held by now: reading it waits until its actors are counted.
    counted = {"id": written, "actor_id": notice.actor_id, "most": MOST_ACTORS}
    await db.execute(_COUNT, {"user_id": notice.user_id, "group_key": group_key, **counted})
    return written


async def one(db: Db, user_id: UUID, notification_id: UUID) -> Kept | None:
    """Read one notification of a person."""
    found = select(*_KEPT).where(
        notifications.c.user_id == user_id, notifications.c.id == notification_id
    )
    row = (await db.execute(found)).one_or_none()
    return None if row is None else Kept(*row)


async def page(
    db: Db, user_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[Kept]:
    """Read a person's notifications, those first that changed last."""
    order = (notifications.c.updated_at.desc(), notifications.c.id.desc())
    statement = select(*_KEPT).where(notifications.c.user_id == user_id)
    if before is not None:
        place = tuple_(notifications.c.updated_at, notifications.c.id)
        statement = statement.where(place < tuple_(*before))
    return [Kept(*row) for row in await db.execute(statement.order_by(*order).limit(limit))]


async def unread(db: Db, user_id: UUID) -> int:
    """Count a person's unread notifications."""
    statement = select(func.count()).where(
        notifications.c.user_id == user_id, notifications.c.read_at.is_(None)
    )
    return (await db.execute(statement)).scalar_one()


async def mark_read(db: Db, user_id: UUID, up_to: UUID | None, now: datetime) -> int:
    """Mark as read all, or those that changed no later than one of them; says how many."""
    marked = notifications.update().where(
        notifications.c.user_id == user_id, notifications.c.read_at.is_(None)
    )
    if up_to is not None:
        last = (
            select(notifications.c.updated_at)
            .where(notifications.c.user_id == user_id, notifications.c.id == up_to)
            .scalar_subquery()
        )
        marked = marked.where(notifications.c.updated_at <= last)
    return (await db.execute(marked.values(read_at=now))).rowcount


async def forget(db: Db, item_ids: Collection[UUID], user_ids: Collection[UUID]) -> None:
    """Remove what was told about items, and what was told to people."""
    about = notifications.c.item_id.in_(item_ids) | notifications.c.target_id.in_(item_ids)
    gone = (
        notifications.delete()
        .where(about | notifications.c.user_id.in_(user_ids))
        .returning(notifications.c.id)
    )
    ids = list((await db.execute(gone)).scalars())
    actors = notification_actors
    await db.execute(actors.delete().where(actors.c.notification_id.in_(ids)))
