"""What a person wrote, as they take it with them."""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from server.items.store import items
from server.kernel.database import Db
from server.kernel.exporting import MOST_EXPORTED, Exporter


async def written(db: Db, user_id: UUID) -> Any:
    """Give the posts and comments of a person, the newest first."""
    columns = (
        items.c.id,
        items.c.kind,
        items.c.state,
        items.c.title,
        items.c.body_text,
        items.c.target_id,
        items.c.published_at,
    )
    found = select(*columns).where(items.c.author_id == user_id)
    newest = found.order_by(items.c.sort_at.desc(), items.c.id.desc()).limit(MOST_EXPORTED)
    return [row._asdict() for row in await db.execute(newest)]


exporters = [Exporter("items", written)]
