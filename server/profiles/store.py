"""The table of exports, and its SQL."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Column, DateTime, ForeignKey, Index, Integer, Table, Text, select
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.kernel.database import Db, metadata

# What people asked to have of their own data, and where it lies until it is forgotten.
exports = Table(
    "exports",
    metadata,
    Column("id", PG_UUID, primary_key=True),
    Column("user_id", PG_UUID, ForeignKey("content.users.id", ondelete="CASCADE"), nullable=False),
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Column("ready_at", DateTime(timezone=True)),
    Column("storage_key", Text),
    Column("size", Integer),
    Index(None, "user_id"),
    schema="ops",
)


class Export(Struct, frozen=True):
    """An export as it stands."""

    id: UUID
    user_id: UUID
    asked_at: datetime
    ready_at: datetime | None = None
    storage_key: str | None = None
    size: int | None = None


_COLUMNS = [exports.c[name] for name in Export.__struct_fields__]


async def add(db: Db, export: Export) -> None:
    """Store what was asked for."""
    await db.execute(
        exports.insert().values(id=export.id, user_id=export.user_id, asked_at=export.asked_at)
    )


async def find(db: Db, export_id: UUID) -> Export | None:
    """Read an export."""
    row = (await db.execute(select(*_COLUMNS).where(exports.c.id == export_id))).one_or_none()
    return None if row is None else Export(*row)


async def newest(db: Db, user_id: UUID) -> Export | None:
    """Read a person's newest export."""
    found = select(*_COLUMNS).where(exports.c.user_id == user_id)
    row = (await db.execute(found.order_by(exports.c.asked_at.desc()).limit(1))).one_or_none()
    return None if row is None else Export(*row)


async def finish(db: Db, export_id: UUID, key: str, size: int, now: datetime) -> None:
    """Store where an export lies."""
    done = exports.update().where(exports.c.id == export_id)
    await db.execute(done.values(storage_key=key, size=size, ready_at=now))


async def waiting(db: Db, most: int) -> list[UUID]:
    """Read the exports that are not made yet."""
    found = select(exports.c.id).where(exports.c.ready_at.is_(None))
    return list((await db.execute(found.order_by(exports.c.asked_at).limit(most))).scalars())


async def forget(db: Db, before: datetime, most: int) -> list[str]:
    """Remove exports that were asked for before a moment; gives the keys of what lies somewhere."""
    old = select(exports.c.id).where(exports.c.asked_at < before).limit(most)
    gone = exports.delete().where(exports.c.id.in_(old)).returning(exports.c.storage_key)
    return [key for key in (await db.execute(gone)).scalars() if key is not None]
