"""The pictures that items brought: fetched once by a worker, kept by what is in them.

Readers are shown what is kept, so that no stranger's server learns who reads what.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.dialects.postgresql import insert as pg_insert

from server.items.store import items
from server.kernel.database import Db, metadata

MOST_ATTEMPTS = 5
# While a worker fetches it; what is not heard of after this is tried again.
CLAIM = timedelta(minutes=3)
FIRST_PAUSE = timedelta(minutes=5)
# A picture that others brought so lately is not fetched again.
KNOWN = timedelta(days=7)

pictures = Table(
    "pictures",
    metadata,
    Column("item_id", PG_UUID, primary_key=True),
    Column("source_id", PG_UUID, ForeignKey("content.sources.id", ondelete="CASCADE")),
    Column("url", Text, nullable=False),
    # SHA-256 of the address.
    Column("digest", LargeBinary, nullable=False),
    # As the source gave it, for all that it publishes.
    Column("licence", Text),
    Column("state", Text, nullable=False, server_default="wanted"),
    # Where it is kept, by the SHA-256 of what is in it.
    Column("key", Text),
    Column("width", Integer),
    Column("height", Integer),
    Column("bytes", Integer),
    Column("error", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("try_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("state in ('wanted', 'kept', 'failed')", name="state"),
    Index("ix_pictures_wanted", "try_at", postgresql_where=text("state = 'wanted'")),
    Index("ix_pictures_kept", "digest", postgresql_where=text("state = 'kept'")),
    schema="content",
)


class Wanted(Struct, frozen=True):
    """A picture that is to be fetched."""

    item_id: UUID
    url: str
    attempts: int


class Kept(Struct, frozen=True):
    """A picture as it is kept."""

    key: str
    width: int
    height: int
    bytes: int


async def want(
    db: Db,
    source_id: UUID,
    wanted: Sequence[tuple[UUID, str]],
    *,
    licence: str | None,
    now: datetime,
) -> None:
    """Have the pictures of items fetched; one that has changed is fetched again."""
    if not wanted:
        return
    rows = [
        {
            "item_id": item_id,
            "source_id": source_id,
            "url": url,
            "digest": hashlib.sha256(url.encode()).digest(),
            "licence": licence,
            "try_at": now,
        }
        for item_id, url in sorted(wanted)
    ]
    given = pg_insert(pictures).values(rows)
    await db.execute(
        given.on_conflict_do_update(
            index_elements=["item_id"],
            set_={
                "url": given.excluded.url,
                "digest": given.excluded.digest,
                "state": "wanted",
                "attempts": 0,
                "try_at": now,
                "error": None,
            },
            where=pictures.c.digest != given.excluded.digest,
        )
    )


async def due(db: Db, now: datetime, limit: int) -> list[UUID]:
    """Read of which items the picture is to be fetched."""
    statement = (
        select(pictures.c.item_id)
        .where(pictures.c.state == "wanted", pictures.c.try_at <= now)
        .order_by(pictures.c.try_at)
        .limit(limit)
    )
    return list((await db.execute(statement)).scalars())


async def claim(db: Db, item_id: UUID, now: datetime) -> Wanted | None:
    """Begin to fetch a picture; None when nobody wants it any more."""
    begun = (
        pictures.update()
        .where(pictures.c.item_id == item_id, pictures.c.state == "wanted")
        .values(try_at=now + CLAIM)
        .returning(pictures.c.item_id, pictures.c.url, pictures.c.attempts)
    )
    row = (await db.execute(begun)).one_or_none()
    return None if row is None else Wanted(*row)


async def known(db: Db, url: str, now: datetime) -> Kept | None:
    """Find what an address held lately."""
    statement = (
        select(pictures.c.key, pictures.c.width, pictures.c.height, pictures.c.bytes)
        .where(
            pictures.c.digest == hashlib.sha256(url.encode()).digest(),
            pictures.c.state == "kept",
            pictures.c.try_at > now - KNOWN,
        )
        .limit(1)
    )
    row = (await db.execute(statement)).one_or_none()
    return None if row is None else Kept(*row)


async def keep(db: Db, picture: Wanted, kept: Kept, now: datetime) -> None:
    """Write down where a picture is kept, and show it."""
    done = await db.execute(
        pictures.update()
        .where(pictures.c.item_id == picture.item_id, pictures.c.url == picture.url)
        .values(
            state="kept",
            key=kept.key,
            width=kept.width,
            height=kept.height,
            bytes=kept.bytes,
            error=None,
            try_at=now,
        )
    )
    if done.rowcount:
        await db.execute(
            items.update().where(items.c.id == picture.item_id).values(image_key=kept.key)
        )


async def put_off(db: Db, picture: Wanted, until: datetime) -> None:
    """Try a picture later, whose host has no turn for us yet."""
    await db.execute(
        pictures.update().where(pictures.c.item_id == picture.item_id).values(try_at=until)
    )


async def fail(db: Db, picture: Wanted, reason: str, now: datetime) -> None:
    """Write down why there is no picture; it is tried a few times more."""
    given_up = picture.attempts + 1 >= MOST_ATTEMPTS
    await db.execute(
        pictures.update()
        .where(pictures.c.item_id == picture.item_id, pictures.c.url == picture.url)
        .values(
            state="failed" if given_up else "wanted",
            error=reason,
            attempts=picture.attempts + 1,
            try_at=now + FIRST_PAUSE * 4**picture.attempts,
        )
    )
