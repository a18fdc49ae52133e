"""What a person liked, saved and passed on, as they take it with them."""

from typing import Any
from uuid import UUID

from sqlalchemy import Table, select

from server.engagement.store import bookmarks, likes, reposts
from server.kernel.database import Db
from server.kernel.exporting import MOST_EXPORTED, Exporter, Exports


def _edges(table: Table) -> Exports:
    async def run(db: Db, user_id: UUID) -> Any:
        found = select(table.c.item_id, table.c.created_at).where(table.c.user_id == user_id)
        newest = found.order_by(table.c.created_at.desc()).limit(MOST_EXPORTED)
        return [{"item_id": row[0], "since": row[1]} for row in await db.execute(newest)]

    return run


exporters = [
    Exporter("likes", _edges(likes)),
    Exporter("bookmarks", _edges(bookmarks)),
    Exporter("reposts", _edges(reposts)),
]
