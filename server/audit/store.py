"""The table of the audit log, and its SQL. Triggers refuse to change, remove or empty it."""

from collections.abc import AsyncIterator
from typing import Any

from msgspec.structs import asdict
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.audit.model import BEGINNING, AuditQuery, Entry
from server.kernel.database import Db, metadata

audit_log = Table(
    "audit_log",
    metadata,
    # Without a gap: an entry that was taken out is missed.
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", PG_UUID, nullable=False, unique=True),
    Column("at", DateTime(timezone=True), nullable=False),
    # No foreign key: the book outlives whom it speaks of.
    Column("actor_id", PG_UUID),
    Column("action", Text, nullable=False),
    Column("target_kind", Text, nullable=False),
    Column("target_id", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("before", JSONB, nullable=False),
    Column("after", JSONB, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Index("ix_audit_log_target", "target_id", "seq"),
    Index("ix_audit_log_actor", "actor_id", "seq"),
    schema="ops",
)

# The one row whose lock lets entries in one by one; by it, a book cut short is found out too.
audit_head = Table(
    "audit_head",
    metadata,
    Column("one", SmallInteger, primary_key=True, server_default="1"),
    Column("seq", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    CheckConstraint("one = 1", name="one"),
    schema="ops",
)

_FIRST = text(
    "insert into ops.audit_head (one, seq, digest) values (1, 0, :beginning) on conflict do nothing"
)
_ENTRY = tuple(audit_log.c[name] for name in Entry.__struct_fields__)
_AT_ONCE = 500


async def hold_head(db: Db) -> tuple[int, bytes]:
    """Give the seq and the digest of the last entry, and keep others from adding one."""
    held = select(audit_head.c.seq, audit_head.c.digest).with_for_update()
    row = (await db.execute(held)).one_or_none()
    if row is None:
        await db.execute(_FIRST, {"beginning": BEGINNING})
        row = (await db.execute(held)).one()
    return row.seq, row.digest


async def append(db: Db, entry: Entry, digest: bytes) -> None:
    """Add an entry and move the head; the head must be held."""
    await db.execute(audit_log.insert().values(**asdict(entry), digest=digest))
    await db.execute(audit_head.update().values(seq=entry.seq, digest=digest))


async def head(db: Db) -> tuple[int, bytes]:
    """Read the seq and the digest that the last entry should have."""
    row = (await db.execute(select(audit_head.c.seq, audit_head.c.digest))).one_or_none()
    return (0, BEGINNING) if row is None else (row.seq, row.digest)


async def page(
    db: Db, query: AuditQuery, before: int | None, limit: int
) -> list[tuple[Entry, bytes]]:
    """Read entries, the latest first."""
    statement = select(*_ENTRY, audit_log.c.digest).order_by(audit_log.c.seq.desc()).limit(limit)
    wanted: dict[str, Any] = {
        "actor_id": query.actor_id,
        "action": query.action,
        "target_id": query.target_id,
    }
    for name, value in wanted.items():
        if value is not None:
            statement = statement.where(audit_log.c[name] == value)
    if before is not None:
        statement = statement.where(audit_log.c.seq < before)
    return [_read(row) for row in await db.execute(statement)]


async def in_order(db: Db, last: int) -> AsyncIterator[tuple[Entry, bytes]]:
    """Read every entry up to one of them, the first one first, some at a time."""
    after = 0
    while True:
        statement = (
            select(*_ENTRY, audit_log.c.digest)
            .where(audit_log.c.seq > after, audit_log.c.seq <= last)
            .order_by(audit_log.c.seq)
            .limit(_AT_ONCE)
        )
        rows = (await db.execute(statement)).all()
        for row in rows:
            yield _read(row)
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].seq


def _read(row: Any) -> tuple[Entry, bytes]:
    return Entry(**dict(zip(Entry.__struct_fields__, row, strict=False))), row.digest
