"""The SQL of how a source's fetches went, and of previews."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from server.kernel.database import Db
from server.kernel.ids import new_id
from server.sources.model import Fetch
from server.sources.store import source_fetches, source_previews

_FIELDS = Fetch.__struct_fields__


async def note(db: Db, source_id: UUID, fetch: Fetch) -> None:
    """Write down how a fetch went."""
    values = {name: getattr(fetch, name) for name in _FIELDS}
    await db.execute(source_fetches.insert().values(id=new_id(), source_id=source_id, **values))


async def latest(db: Db, source_id: UUID, limit: int) -> list[Fetch]:
    """Read how the last fetches of a source went, the latest first."""
    statement = (
        select(*(source_fetches.c[name] for name in _FIELDS))
        .where(source_fetches.c.source_id == source_id)
        .order_by(source_fetches.c.id.desc())
        .limit(limit)
    )
    return [Fetch(**row) for row in (await db.execute(statement)).mappings()]


# In batches, as a sweep deletes: a year of fetches is not one statement.
_FORGET = text(
    """
    with old as (select id from content.source_fetches where at < :before limit :most)
    delete from content.source_fetches where id in (select id from old)
    """
)


async def forget(db: Db, before: datetime, previews_before: datetime, most: int) -> bool:
    """Remove some of what is older; says whether there may be more."""
    await db.execute(source_previews.delete().where(source_previews.c.asked_at < previews_before))
    gone = await db.execute(_FORGET, {"before": before, "most": most})
    return gone.rowcount == most


async def ask_preview(db: Db, preview_id: UUID, url: str) -> None:
    """Write down that somebody wants to know what an address would bring."""
    await db.execute(source_previews.insert().values(id=preview_id, url=url))


async def preview(db: Db, preview_id: UUID) -> tuple[str, Any] | None:
    """Read the address of a preview and its result, which is None until there is one."""
    row = (
        await db.execute(
            select(source_previews.c.url, source_previews.c.result).where(
                source_previews.c.id == preview_id
            )
        )
    ).one_or_none()
    return None if row is None else (row.url, row.result)


async def answer_preview(db: Db, preview_id: UUID, result: Any) -> None:
    """Write down what an address would bring."""
    await db.execute(
        source_previews.update().where(source_previews.c.id == preview_id).values(result=result)
    )
