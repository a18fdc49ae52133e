"""The table of encodings, and its SQL."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    and_,
    extract,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.kernel.database import Db, metadata
from server.media.made import AGEING, RECIPE, Encoding, MadeOf

encodings = Table(
    "encodings",
    metadata,
    # The id of the upload that this is the encoding of.
    Column("id", PG_UUID, primary_key=True),
    Column("owner_id", PG_UUID, nullable=False),
    Column("key", Text, nullable=False),
    # What is in the file: the same bytes by the same recipe are never encoded twice.
    Column("digest", LargeBinary),
    Column("profile", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    # How long the film is likely to be: what is short goes first.
    Column("cost_sec", Float, nullable=False),
    Column("progress", Float, nullable=False, server_default="0"),
    Column("eta_seconds", Float),
    # The attempt that may write the result; an older worker's late answer is refused.
    Column("attempt", PG_UUID),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("error", Text),
    Column("result", JSONB(none_as_null=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    CheckConstraint(
        "state in ('waiting', 'encoding', 'ready', 'failed', 'refused', 'cancelled')",
        name="state",
    ),
    Index(
        "ix_encodings_open",
        "state",
        "changed_at",
        postgresql_where=text("state in ('waiting', 'encoding')"),
    ),
    Index("ix_encodings_digest", "digest", "profile", postgresql_where=text("state = 'ready'")),
    schema="content",
)
_E = encodings.c
_ENCODING = tuple(_E[name] for name in Encoding.__struct_fields__)


async def add(db: Db, encoding: Encoding) -> bool:
    """Store an encoding that waits; False when there was one."""
    values = {**msgspec.structs.asdict(encoding), "profile": RECIPE, "result": None}
    added = await db.execute(
        insert(encodings).values(values).on_conflict_do_nothing(index_elements=["id"])
    )
    return added.rowcount == 1


async def find(db: Db, encoding_id: UUID) -> Encoding | None:
    """Read an encoding."""
    row = (await db.execute(select(*_ENCODING).where(_E.id == encoding_id))).one_or_none()
    return None if row is None else _read(row)


async def open_ones(db: Db, *, silent_since: datetime, limit: int) -> list[UUID]:
    """Find what waits, or whose attempt fell silent, in the order of its turn."""
    found = select(_E.id).where(_free(silent_since)).order_by(_turn(), _E.id).limit(limit)
    return list((await db.execute(found)).scalars())


async def take(
    db: Db, token: UUID, *, now: datetime, silent_since: datetime, at_most_sec: float | None
) -> Encoding | None:
    """Give whose turn it is to an attempt; None when there is none.

    What another transaction holds is passed over.
    """
    found = select(_E.id).where(_free(silent_since))
    if at_most_sec is not None:
        found = found.where(_E.cost_sec <= at_most_sec)
    first = found.order_by(_turn(), _E.id).limit(1).with_for_update(skip_locked=True)
    return await _change(
        db,
        _E.id == first.scalar_subquery(),
        state="encoding",
        attempt=token,
        attempts=_E.attempts + 1,
        progress=0.0,
        eta_seconds=None,
        changed_at=now,
    )


async def note(
    db: Db, encoding_id: UUID, token: UUID, *, now: datetime, done: float, eta: float | None
) -> bool:
    """Note how far an attempt is; False when it was taken over or cancelled."""
    changed = await _change(
        db, _held(encoding_id, token), progress=done, eta_seconds=eta, changed_at=now
    )
    return changed is not None


async def settle(db: Db, encoding_id: UUID, token: UUID, **values: Any) -> Encoding | None:
    """Write what came of an attempt; None when it was taken over or cancelled."""
    return await _change(db, _held(encoding_id, token), attempt=None, eta_seconds=None, **values)


async def made_of(db: Db, digest: bytes) -> MadeOf | None:
    """Read what was made of the same bytes before."""
    found = select(_E.result).where(_E.digest == digest, _E.profile == RECIPE, _E.state == "ready")
    result = (await db.execute(found.limit(1))).scalar()
    return None if result is None else msgspec.convert(result, MadeOf)


async def reset(
    db: Db, encoding_id: UUID, owner_id: UUID, before: tuple[str, ...], **values: Any
) -> Encoding | None:
    """Change the state of somebody's encoding, if it is one of these; None when it is not."""
    mine = and_(_E.id == encoding_id, _E.owner_id == owner_id, _E.state.in_(before))
    return await _change(db, mine, attempt=None, eta_seconds=None, **values)


async def forget(db: Db, encoding_id: UUID) -> None:
    """Remove an encoding."""
    await db.execute(encodings.delete().where(_E.id == encoding_id))


def _free(silent_since: datetime) -> Any:
    silent = and_(_E.state == "encoding", _E.changed_at < silent_since)
    return and_(_E.profile == RECIPE, or_(_E.state == "waiting", silent))


def _turn() -> Any:
    waited = extract("epoch", func.now() - _E.created_at)
    return _E.cost_sec - AGEING * waited


def _held(encoding_id: UUID, token: UUID) -> Any:
    return and_(_E.id == encoding_id, _E.attempt == token, _E.state == "encoding")


async def _change(db: Db, which: Any, **values: Any) -> Encoding | None:
    changed = update(encodings).where(which).values(values).returning(*_ENCODING)
    row = (await db.execute(changed)).one_or_none()
    return None if row is None else _read(row)


def _read(row: Any) -> Encoding:
    values = row._asdict()
    made = values.pop("result")
    result = None if made is None else msgspec.convert(made, MadeOf)
    return Encoding(**values, result=result)
