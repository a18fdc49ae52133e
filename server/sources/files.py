"""The SQL of feeds that came as a file, or were pushed: they wait here until they are read."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as pg_insert

from server.kernel.database import Db
from server.sources.model import File
from server.sources.store import source_files


async def give(db: Db, source_id: UUID, content: bytes) -> None:
    """Keep a feed that came as a file until it is taken in, in the place of an earlier one."""
    given = pg_insert(source_files).values(source_id=source_id, content=content)
    await db.execute(
        given.on_conflict_do_update(
            index_elements=["source_id"],
            set_={"content": given.excluded.content, "attempts": 0, "given_at": func.now()},
        )
    )


async def begin_file(db: Db, source_id: UUID) -> File | None:
    """Count an attempt at a file, and read it; None when there is none any more."""
    begun = (
        source_files.update()
        .where(source_files.c.source_id == source_id)
        .values(attempts=source_files.c.attempts + 1)
        .returning(source_files.c.content, source_files.c.attempts, source_files.c.given_at)
    )
    row = (await db.execute(begun)).one_or_none()
    return None if row is None else File(*row)


async def drop_file(db: Db, source_id: UUID, file: File) -> None:
    """Forget a file, unless another has come in its place."""
    await db.execute(
        source_files.delete().where(
            source_files.c.source_id == source_id, source_files.c.given_at == file.given_at
        )
    )


async def untaken(db: Db, before: datetime, limit: int) -> list[UUID]:
    """Read which sources have waited with a file since before a moment, the oldest first."""
    statement = (
        select(source_files.c.source_id)
        .where(source_files.c.given_at < before)
        .order_by(source_files.c.given_at)
        .limit(limit)
    )
    return list((await db.execute(statement)).scalars())


async def waits(db: Db, source_id: UUID) -> bool:
    """Say whether a source has a file that was not read yet."""
    statement = select(source_files.c.source_id).where(source_files.c.source_id == source_id)
    return (await db.execute(statement)).first() is not None
