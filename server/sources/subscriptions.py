"""The SQL of subscriptions with hubs."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as pg_insert

from server.kernel.database import Db
from server.sources.model import Subscription
from server.sources.store import source_subscriptions as table

_FIELDS = tuple(table.c[name] for name in Subscription.__struct_fields__)


async def want(
    db: Db, source_id: UUID, *, hub: str, topic: str, secret: str, now: datetime
) -> None:
    """Have a hub asked to tell of a source; one that is known is only asked when it changed."""
    given = pg_insert(table).values(
        source_id=source_id, hub=hub, topic=topic, secret=secret, ask_at=now
    )
    await db.execute(
        given.on_conflict_do_update(
            index_elements=["source_id"],
            set_={
                "hub": hub,
                "topic": topic,
                "secret": secret,
                "state": "wanted",
                "ask_at": now,
                "attempts": 0,
                "expires_at": None,
                "error": None,
            },
            where=(table.c.hub != hub) | (table.c.topic != topic),
        )
    )


async def drop(db: Db, source_id: UUID) -> None:
    """Forget the subscription of a source that names no hub any more."""
    await db.execute(table.delete().where(table.c.source_id == source_id))


async def of(db: Db, source_id: UUID) -> Subscription | None:
    """Read the subscription of a source."""
    row = (
        (await db.execute(select(*_FIELDS).where(table.c.source_id == source_id)))
        .mappings()
        .first()
    )
    return None if row is None else Subscription(**row)


async def due(db: Db, now: datetime, limit: int) -> list[UUID]:
    """Read of which sources the hub is to be asked, or asked again."""
    statement = (
        select(table.c.source_id).where(table.c.ask_at <= now).order_by(table.c.ask_at).limit(limit)
    )
    return list((await db.execute(statement)).scalars())


async def asked(db: Db, source_id: UUID, *, again_at: datetime | None, error: str | None) -> None:
    """Write down that the hub was asked, and when it is asked again if it says nothing."""
    await db.execute(
        table.update()
        .where(table.c.source_id == source_id)
        .values(ask_at=again_at, attempts=table.c.attempts + 1, error=error)
    )


async def confirmed(db: Db, source_id: UUID, *, expires_at: datetime, renew_at: datetime) -> None:
    """Write down that the hub has it, until when, and when to ask for longer."""
    await db.execute(
        table.update()
        .where(table.c.source_id == source_id)
        .values(state="active", expires_at=expires_at, ask_at=renew_at, attempts=0, error=None)
    )


async def denied(db: Db, source_id: UUID, *, reason: str, again_at: datetime) -> None:
    """Write down that the hub will not have it."""
    await db.execute(
        table.update()
        .where(table.c.source_id == source_id)
        .values(state="denied", expires_at=None, ask_at=again_at, error=reason)
    )


async def pushed(db: Db, source_id: UUID, now: datetime) -> None:
    """Write down that the hub has told of something."""
    await db.execute(table.update().where(table.c.source_id == source_id).values(pushed_at=now))
