"""The tables of notifications and of inboxes, and their SQL.

Whoever changes what is in an inbox holds the inbox's row first: so changes of one inbox have an
order, and the statements below need not fear each other.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    bindparam,
    func,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.kernel.database import Db, metadata
from server.notifications.model import Kind

notifications = Table(
    "notifications",
    metadata,
    Column("user_id", PG_UUID, primary_key=True),
    Column("id", PG_UUID, primary_key=True),
    Column("kind", Text, nullable=False),
    # What it is about, and the item where it happened.
    Column("target_id", PG_UUID, nullable=False),
    Column("item_id", PG_UUID),
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
    # How often it grew; up to where that was seen, and told to telephones.
    Column("version", BigInteger, nullable=False, server_default="0"),
    Column("seen_version", BigInteger, nullable=False, server_default="0"),
    Column("pushed_version", BigInteger, nullable=False, server_default="0"),
    # The change of the inbox by which it became what it is.
    Column("change", BigInteger, nullable=False, server_default="0"),
    # Its owner chose not to find this kind in the app.
    Column("quiet", Boolean, nullable=False, server_default="false"),
    # Nothing is left of it; it is kept a while, for sessions that do not know yet.
    Column("gone_at", DateTime(timezone=True)),
    Index(
        "uq_notifications_unread_group",
        "user_id",
        "group_key",
        unique=True,
        postgresql_where=text("read_at is null"),
    ),
    Index("ix_notifications_updated", "updated_at"),
    Index("ix_notifications_gone", "gone_at", postgresql_where=text("gone_at is not null")),
    Index("ix_notifications_newest", "user_id", text("updated_at desc"), text("id desc")),
    Index("ix_notifications_change", "user_id", "change"),
    Index("ix_notifications_item", "item_id", postgresql_where=text("gone_at is null")),
    Index("ix_notifications_target", "target_id", postgresql_where=text("gone_at is null")),
    Index("ix_notifications_comment", "comment_id", postgresql_where=text("gone_at is null")),
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
    # The version of the notification that came with this actor.
    Column("place", BigInteger, nullable=False, server_default="0"),
    Column("withdrawn", Boolean, nullable=False, server_default="false"),
    Index("ix_notification_actors_place", "notification_id", text("place desc")),
    schema="engage",
)

inboxes = Table(
    "inboxes",
    metadata,
    Column("user_id", PG_UUID, primary_key=True),
    Column("change", BigInteger, nullable=False, server_default="0"),
    # Up to which change some open session has everything.
    Column("acked", BigInteger, nullable=False, server_default="0"),
    Column("choices", JSONB, nullable=False, server_default="{}"),
    Column("digest", Text, nullable=False, server_default="off"),
    Column("digested_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("digest in ('off', 'daily', 'weekly')", name="digest"),
    Index("ix_inboxes_digest", "digested_at", postgresql_where=text("digest <> 'off'")),
    schema="engage",
)


class Kept(Struct, frozen=True):
    """A notification as it is stored."""

    id: UUID
    user_id: UUID
    kind: Kind
    target_id: UUID
    item_id: UUID | None
    comment_id: UUID | None
    actor_ids: list[UUID]
    actor_count: int
    excerpt: str
    created_at: datetime
    updated_at: datetime
    read_at: datetime | None
    version: int
    seen_version: int
    pushed_version: int
    change: int
    quiet: bool
    gone_at: datetime | None


class Standing(Struct, frozen=True):
    """How an inbox stands: its last change, and what is unread and unseen in it."""

    change: int
    unread: int
    unseen: int


_KEPT = tuple(notifications.c[name] for name in Kept.__struct_fields__)
_SHOWN = (notifications.c.gone_at.is_(None), notifications.c.quiet.is_(False))
_STANDING = text(
    """
    select wanted.id as user_id, coalesce(held.change, 0) as change,
           count(n.id) filter (where n.read_at is null) as unread,
           count(n.id) filter (where n.read_at is null and n.version > n.seen_version) as unseen
    from unnest(:users) as wanted(id)
    left join engage.inboxes held on held.user_id = wanted.id
    left join engage.notifications n
      on n.user_id = wanted.id and n.read_at is null and n.gone_at is null and not n.quiet
    group by wanted.id, held.change
    """
).bindparams(bindparam("users", type_=ARRAY(PG_UUID)))
_PURGE = text(
    """
    with old as (
      select user_id, id from engage.notifications
      where gone_at < :gone_before or updated_at < :before
      limit :most for update skip locked),
    purged as (
      delete from engage.notifications n using old
      where n.user_id = old.user_id and n.id = old.id returning n.id),
    actors as (
      delete from engage.notification_actors a using purged
      where a.notification_id = purged.id)
    select count(*) from purged
    """
)
_ACKED = text(
    """
    update engage.inboxes set acked = least(:change, change)
    where user_id = :user_id and acked < least(:change, change)
    """
)


async def one(db: Db, user_id: UUID, notification_id: UUID) -> Kept | None:
    """Read one notification of a person; None when nothing is left of it."""
    found = select(*_KEPT).where(
        notifications.c.user_id == user_id, notifications.c.id == notification_id, *_SHOWN
    )
    row = (await db.execute(found)).one_or_none()
    return None if row is None else Kept(*row)


async def some(db: Db, pairs: Collection[tuple[UUID, UUID]]) -> list[Kept]:
    """Read notifications by (owner, id), those of which nothing is left as well."""
    key = tuple_(notifications.c.user_id, notifications.c.id)
    rows = await db.execute(select(*_KEPT).where(key.in_(list(pairs))))
    return [Kept(*row) for row in rows]


async def page(
    db: Db, user_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[Kept]:
    """Read a person's notifications, those first that changed last."""
    order = (notifications.c.updated_at.desc(), notifications.c.id.desc())
    statement = select(*_KEPT).where(notifications.c.user_id == user_id, *_SHOWN)
    if before is not None:
        place = tuple_(notifications.c.updated_at, notifications.c.id)
        statement = statement.where(place < tuple_(*before))
    return [Kept(*row) for row in await db.execute(statement.order_by(*order).limit(limit))]


async def since(db: Db, user_id: UUID, change: int, limit: int) -> list[Kept]:
    """Read what changed in an inbox after a change, in that order; also what is gone."""
    statement = (
        select(*_KEPT)
        .where(
            notifications.c.user_id == user_id,
            notifications.c.change > change,
            notifications.c.quiet.is_(False),
        )
        .order_by(notifications.c.change, notifications.c.id)
        .limit(limit)
    )
    return [Kept(*row) for row in await db.execute(statement)]


async def standings(db: Db, users: Collection[UUID]) -> dict[UUID, Standing]:
    """Read how inboxes stand."""
    rows: Sequence[Any] = (await db.execute(_STANDING, {"users": list(users)})).all()
    return {row.user_id: Standing(row.change, row.unread, row.unseen) for row in rows}


async def acked(db: Db, user_id: UUID, change: int) -> None:
    """Keep that a session has everything up to a change."""
    await db.execute(_ACKED, {"user_id": user_id, "change": change})


async def purge(db: Db, *, before: datetime, gone_before: datetime, most: int) -> int:
    """Remove notifications that changed last long ago, or of which nothing is left for a while."""
    given = {"before": before, "gone_before": gone_before, "most": most}
    return int((await db.execute(_PURGE, given)).scalar_one())


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
    await db.execute(inboxes.delete().where(inboxes.c.user_id.in_(user_ids)))
