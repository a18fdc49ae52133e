"""What makes an entry of a source itself, so that it is stored once and stays removed."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import LargeBinary, Text, any_, bindparam, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as pg_insert

from server.items.model import Entry
from server.items.store import any_of, item_identity, items
from server.kernel.database import Db


async def known(
    db: Db, source_id: UUID, digests: Collection[bytes]
) -> dict[bytes, tuple[UUID | None, bytes]]:
    """Read which entries of a source are known: digest to item (None: removed) and content."""
    wanted = literal(list(digests), ARRAY(LargeBinary))
    rows = await db.execute(
        select(
            item_identity.c.digest, item_identity.c.item_id, item_identity.c.content_digest
        ).where(item_identity.c.source_id == source_id, item_identity.c.digest == any_(wanted))
    )
    return {row.digest: (row.item_id, row.content_digest) for row in rows}


async def claim(
    db: Db, source_id: UUID, entries: Sequence[tuple[UUID, Entry]], now: datetime
) -> set[UUID]:
    """Take the identities of new entries; gives the items whose identity nobody had taken."""
    if not entries:
        return set()
    rows = [
        {
            "source_id": source_id,
            "digest": entry.digest,
            "item_id": item_id,
            "content_digest": entry.content_digest,
            "url_digest": entry.url_digest,
            "seen_at": now,
        }
        # In one order everywhere, so that two refreshes cannot wait for each other.
        for item_id, entry in sorted(entries, key=lambda pair: pair[1].digest)
    ]
    statement = (
        pg_insert(item_identity)
        .values(rows)
        .on_conflict_do_nothing()
        .returning(item_identity.c.item_id)
    )
    return set((await db.execute(statement)).scalars())


async def stories(db: Db, url_digests: Collection[bytes]) -> dict[bytes, UUID]:
    """Find the stories that are told at these links already."""
    if not url_digests:
        return {}
    wanted = literal(list(url_digests), ARRAY(LargeBinary))
    rows = await db.execute(
        select(item_identity.c.url_digest, func.min(items.c.story_id.cast(Text)))
        .join(items, items.c.id == item_identity.c.item_id)
        .where(item_identity.c.url_digest == any_(wanted))
        .group_by(item_identity.c.url_digest)
    )
    return {row[0]: UUID(row[1]) for row in rows}


async def answered(db: Db, digests: Collection[bytes]) -> dict[bytes, UUID]:
    """Find live items by the digest of their GUID or of their link, whatever their source."""
    if not digests:
        return {}
    wanted = literal(list(digests), ARRAY(LargeBinary))
    found: dict[bytes, UUID] = {}
    for column in (item_identity.c.url_digest, item_identity.c.digest):
        rows = await db.execute(
            select(column, func.min(item_identity.c.item_id.cast(Text)))
            .where(column == any_(wanted), item_identity.c.item_id.is_not(None))
            .group_by(column)
        )
        found |= {row[0]: UUID(row[1]) for row in rows}
    return found


async def entomb(db: Db, ids: Collection[UUID]) -> None:
    """Leave tombstones for items, so that their source cannot bring them back."""
    await db.execute(
        item_identity.update().where(item_identity.c.item_id == any_of(ids)).values(item_id=None)
    )


async def remember(db: Db, source_id: UUID, entries: Sequence[Entry]) -> None:
    """Write down what known entries say now."""
    if not entries:
        return
    statement = (
        item_identity.update()
        .where(
            item_identity.c.source_id == source_id,
            item_identity.c.digest == bindparam("the_digest"),
        )
        .values(content_digest=bindparam("the_content"))
    )
    await db.execute(
        statement,
        [{"the_digest": each.digest, "the_content": each.content_digest} for each in entries],
    )


async def forget(db: Db, ids: Collection[UUID]) -> None:
    """Remove the identities of items: if their source tells them again, they are new."""
    await db.execute(item_identity.delete().where(item_identity.c.item_id == any_of(ids)))
