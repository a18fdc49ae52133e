"""The tables of uploads, of what was made of them and of the room they take, and their SQL."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    BigInteger,
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
    and_,
    exists,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.dialects.postgresql import insert as pg_insert

from server.kernel.database import Db, metadata
from server.uploads.model import Pictured, Pieces, State, Upload

uploads = Table(
    "uploads",
    metadata,
    Column("id", PG_UUID, primary_key=True),
    Column("owner_id", PG_UUID, ForeignKey("content.users.id", ondelete="CASCADE"), nullable=False),
    Column("key", Text, nullable=False, unique=True),
    # As announced: the link takes nothing else.
    Column("mime", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", LargeBinary),
    # What was found in it, whatever was announced.
    Column("digest", LargeBinary),
    Column("state", Text, nullable=False, server_default="signed"),
    Column("error", Text),
    # The attempt that may write the result; an older worker's late answer is refused.
    Column("attempt", PG_UUID),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # Whether the bytes as they were uploaded may still be in the storage.
    Column("kept", Boolean, nullable=False, server_default="true"),
    # Of an upload in pieces: how many bytes are there, and which pieces hold them.
    Column("received", BigInteger, nullable=False, server_default="0"),
    Column("pieces", JSONB(none_as_null=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    # Since when something shows it: then it stays.
    Column("attached_at", DateTime(timezone=True)),
    CheckConstraint("state in ('signed', 'arrived', 'checked', 'refused', 'purged')", name="state"),
    Index("ix_uploads_owner", "owner_id", "id"),
    Index("ix_uploads_digest", "digest", postgresql_where=text("digest is not null")),
    Index("ix_uploads_open", "changed_at", postgresql_where=text("state in ('signed', 'arrived')")),
    Index(
        "ix_uploads_ending",
        "expires_at",
        postgresql_where=text("attached_at is null and state <> 'purged'"),
    ),
    Index(
        "ix_uploads_settled",
        "id",
        postgresql_where=text("kept and state in ('checked', 'refused')"),
    ),
    schema="content",
)

# What was made by which recipe from which bytes: the same work is never done twice.
renditions = Table(
    "renditions",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("profile", Text, primary_key=True),
    Column("result", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    schema="content",
)

upload_usage = Table(
    "upload_usage",
    metadata,
    Column(
        "owner_id", PG_UUID, ForeignKey("content.users.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("bytes", BigInteger, nullable=False),
    schema="content",
)

_UPLOAD = tuple(uploads.c[name] for name in Upload.__struct_fields__)


async def reserve(db: Db, owner_id: UUID, size: int, most: int) -> bool:
    """Take so much of somebody's room; False when there is not enough of it."""
    if size > most:
        return False
    given = pg_insert(upload_usage).values(owner_id=owner_id, bytes=size)
    taken = given.on_conflict_do_update(
        index_elements=["owner_id"],
        set_={"bytes": upload_usage.c.bytes + size},
        where=upload_usage.c.bytes + size <= most,
    )
    return (await db.execute(taken.returning(upload_usage.c.bytes))).first() is not None


async def release(db: Db, given_back: Mapping[UUID, int]) -> None:
    """Give room back."""
    for owner_id, size in sorted(given_back.items()):
        less = func.greatest(upload_usage.c.bytes - size, 0)
        mine = upload_usage.c.owner_id == owner_id
        await db.execute(update(upload_usage).where(mine).values(bytes=less))


async def used(db: Db, owner_id: UUID) -> int:
    """Say how much room somebody has taken."""
    found = select(upload_usage.c.bytes).where(upload_usage.c.owner_id == owner_id)
    return (await db.execute(found)).scalar() or 0


async def add(db: Db, upload: Upload) -> None:
    """Store an upload that was signed."""
    row = msgspec.to_builtins(upload, builtin_types=_AS_THEY_ARE)
    await db.execute(uploads.insert().values(row))


_AS_THEY_ARE = (UUID, datetime, bytes)


async def find(db: Db, upload_id: UUID) -> Upload | None:
    """Read an upload."""
    row = (await db.execute(select(*_UPLOAD).where(uploads.c.id == upload_id))).one_or_none()
    return None if row is None else _upload(row)


async def by_keys(db: Db, keys: Collection[str]) -> dict[str, Upload]:
    """Read uploads by their keys."""
    if not keys:
        return {}
    rows = await db.execute(select(*_UPLOAD).where(uploads.c.key.in_(keys)))
    return {row.key: _upload(row) for row in rows}


async def arrive(db: Db, upload_id: UUID, now: datetime, until: datetime) -> Upload | None:
    """Note that the bytes are there; None when that was known, or it ended before."""
    return await _change(
        db,
        and_(uploads.c.id == upload_id, uploads.c.state == "signed"),
        state="arrived",
        changed_at=now,
        expires_at=until,
    )


async def lay_out(db: Db, upload_id: UUID, pieces: Pieces) -> None:
    """Let an upload come in pieces."""
    await _change(db, uploads.c.id == upload_id, pieces=msgspec.to_builtins(pieces))


async def take_up(
    db: Db, upload_id: UUID, attempt: UUID, *, now: datetime, silence: timedelta
) -> Upload | None:
    """Give one request the right to add to an upload; None when another has it, or it ended."""
    silent = or_(uploads.c.attempt.is_(None), uploads.c.changed_at < now - silence)
    resumable = and_(uploads.c.state == "signed", uploads.c.pieces.is_not(None))
    which = and_(uploads.c.id == upload_id, resumable, silent, uploads.c.expires_at > now)
    return await _change(db, which, attempt=attempt, changed_at=now)


async def add_pieces(
    db: Db, upload_id: UUID, attempt: UUID, received: int, pieces: Pieces | None, **times: datetime
) -> bool:
    """Note what has arrived; False when another request took over."""
    which = and_(
        uploads.c.id == upload_id, uploads.c.state == "signed", uploads.c.attempt == attempt
    )
    laid = None if pieces is None else msgspec.to_builtins(pieces)
    return await _change(db, which, received=received, pieces=laid, **times) is not None


async def put_down(db: Db, upload_id: UUID, attempt: UUID) -> None:
    """Give the right to add to an upload back."""
    await _change(db, and_(uploads.c.id == upload_id, uploads.c.attempt == attempt), attempt=None)


async def begin(
    db: Db, upload_id: UUID, attempt: UUID, *, now: datetime, silence: timedelta
) -> Upload | None:
    """Give an attempt the right to write the result; None when there is nothing to do."""
    silent = or_(uploads.c.attempt.is_(None), uploads.c.changed_at < now - silence)
    return await _change(
        db,
        and_(uploads.c.id == upload_id, uploads.c.state == "arrived", silent),
        attempt=attempt,
        attempts=uploads.c.attempts + 1,
        changed_at=now,
    )


async def alive(db: Db, upload_id: UUID, attempt: UUID, now: datetime) -> bool:
    """Note that an attempt lives; False when it was taken over."""
    return await _change(db, _of(upload_id, attempt), changed_at=now) is not None


async def let_go(db: Db, upload_id: UUID, attempt: UUID, error: str, now: datetime) -> bool:
    """End an attempt that failed, so that another may begin."""
    changes = {"attempt": None, "error": error, "changed_at": now}
    return await _change(db, _of(upload_id, attempt), **changes) is not None


async def settle(
    db: Db, upload_id: UUID, attempt: UUID, state: State, **values: Any
) -> Upload | None:
    """Write the result of an attempt; None when it was taken over."""
    return await _change(db, _of(upload_id, attempt), state=state, attempt=None, **values)


async def attach(db: Db, owner_id: UUID, keys: Collection[str], now: datetime) -> int:
    """Let uploads stay, for something shows them; says how many of them can be shown."""
    if not keys:
        return 0
    shown = update(uploads).where(
        uploads.c.key.in_(keys),
        uploads.c.owner_id == owner_id,
        uploads.c.state.in_(("arrived", "checked")),
    )
    return (await db.execute(shown.values(attached_at=now))).rowcount


async def pictured(db: Db, keys: Collection[str], profile: str) -> dict[str, Pictured]:
    """Read what was made of uploads, by their keys; what is not done is left out."""
    if not keys:
        return {}
    made = and_(renditions.c.digest == uploads.c.digest, renditions.c.profile == profile)
    rows = await db.execute(
        select(uploads.c.key, renditions.c.result)
        .join(renditions, made)
        .where(uploads.c.key.in_(keys), uploads.c.state == "checked")
    )
    return {key: msgspec.convert(result, Pictured) for key, result in rows}


async def made(db: Db, digest: bytes, profile: str) -> Pictured | None:
    """Read what was made from some bytes, and keep it from being removed until the end."""
    found = (
        select(renditions.c.result)
        .where(renditions.c.digest == digest, renditions.c.profile == profile)
        .with_for_update()
    )
    result = (await db.execute(found)).scalar()
    return None if result is None else msgspec.convert(result, Pictured)


async def keep(db: Db, digest: bytes, profile: str, result: Pictured) -> None:
    """Store what was made from some bytes; whoever removes it waits for the end, and sees it."""
    given = pg_insert(renditions).values(
        digest=digest, profile=profile, result=msgspec.to_builtins(result)
    )
    await db.execute(
        given.on_conflict_do_update(
            index_elements=["digest", "profile"], set_={"result": given.excluded.result}
        )
    )


async def unmake(db: Db, digest: bytes) -> list[Pictured]:
    """Remove what was made from bytes that no upload has any more; gives what it was."""
    mine = renditions.c.digest == digest
    locked = select(renditions.c.result).where(mine).with_for_update()
    results = list((await db.execute(locked)).scalars())
    living = and_(uploads.c.digest == digest, uploads.c.state == "checked")
    if not results or (await db.execute(select(exists().where(living)))).scalar():
        return []
    await db.execute(renditions.delete().where(mine))
    return [msgspec.convert(result, Pictured) for result in results]


async def unsettled(db: Db, before: datetime, limit: int) -> list[Upload]:
    """Read uploads that were signed or arrived some time ago, and are no further."""
    waiting = uploads.c.state.in_(("signed", "arrived"))
    found = select(*_UPLOAD).where(
        waiting, uploads.c.changed_at < before, uploads.c.pieces.is_(None)
    )
    rows = await db.execute(found.order_by(uploads.c.changed_at).limit(limit))
    return [_upload(row) for row in rows]


async def ended(db: Db, now: datetime, limit: int) -> list[Upload]:
    """Hold uploads that nothing shows and whose time is over."""
    over = and_(
        uploads.c.attached_at.is_(None), uploads.c.state != "purged", uploads.c.expires_at < now
    )
    found = select(*_UPLOAD).where(over).order_by(uploads.c.expires_at).limit(limit)
    return [_upload(row) for row in await db.execute(found.with_for_update(skip_locked=True))]


async def purge(db: Db, ids: Collection[UUID], now: datetime) -> None:
    """Note that nothing is kept of uploads."""
    done = update(uploads).where(uploads.c.id.in_(ids))
    gone = {"state": "purged", "kept": False, "attempt": None, "pieces": None, "changed_at": now}
    await db.execute(done.values(gone))


async def settled(db: Db, limit: int) -> list[Upload]:
    """Read uploads that were looked at, and whose bytes as uploaded need not be kept."""
    found = select(*_UPLOAD).where(uploads.c.kept, uploads.c.state.in_(("checked", "refused")))
    return [_upload(row) for row in await db.execute(found.limit(limit))]


async def not_kept(db: Db, ids: Collection[UUID]) -> None:
    """Note that the bytes as uploaded are gone."""
    await db.execute(update(uploads).where(uploads.c.id.in_(ids)).values(kept=False))


async def let_end(db: Db, owner_id: UUID, now: datetime) -> None:
    """Let everything end that a person uploaded."""
    mine = update(uploads).where(uploads.c.owner_id == owner_id, uploads.c.state != "purged")
    await db.execute(mine.values(attached_at=None, expires_at=now))


async def of_owner(db: Db, owner_id: UUID, limit: int) -> list[Upload]:
    """Read what a person uploaded, the newest first."""
    found = select(*_UPLOAD).where(uploads.c.owner_id == owner_id)
    return [
        _upload(row) for row in await db.execute(found.order_by(uploads.c.id.desc()).limit(limit))
    ]


async def _change(db: Db, which: Any, **values: Any) -> Upload | None:
    changed = update(uploads).where(which).values(values).returning(*_UPLOAD)
    row = (await db.execute(changed)).one_or_none()
    return None if row is None else _upload(row)


def _of(upload_id: UUID, attempt: UUID) -> Any:
    return and_(
        uploads.c.id == upload_id, uploads.c.state == "arrived", uploads.c.attempt == attempt
    )


def _upload(row: Any) -> Upload:
    given = dict(zip(Upload.__struct_fields__, row, strict=True))
    return msgspec.convert(given, Upload, builtin_types=_AS_THEY_ARE)
