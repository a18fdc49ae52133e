"""Those who leave: until when they may come back, and what is kept when they do not."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, DateTime, Table, Text, func, select
from sqlalchemy.dialects.postgresql import insert as pg_insert

from server.kernel.database import Db, metadata
from server.users.store import users

# Names of people who are gone: never given to another, for links and mentions still lead there.
retired_usernames = Table(
    "retired_usernames",
    metadata,
    Column("username", Text, primary_key=True),
    Column("retired_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    schema="content",
)


async def leave(db: Db, user_id: UUID, now: datetime) -> bool:
    """Mark a person as leaving; False when they are already, or are not known."""
    left = (
        users.update()
        .where(users.c.id == user_id, users.c.state != "deleted")
        .values(
            state="deleted",
            state_before=users.c.state,
            deleted_at=now,
            authority_changed_at=func.now(),
        )
        .returning(users.c.id)
    )
    return (await db.execute(left)).first() is not None


async def restore(db: Db, user_id: UUID) -> bool:
    """Take a person back as they were; False when it is too late, or they never left."""
    back = (
        users.update()
        .where(users.c.id == user_id, users.c.state == "deleted", users.c.erased_at.is_(None))
        .values(
            state=func.coalesce(users.c.state_before, "active"),
            state_before=None,
            deleted_at=None,
            authority_changed_at=func.now(),
        )
        .returning(users.c.id)
    )
    return (await db.execute(back)).first() is not None


async def leaving_since(db: Db, before: datetime, most: int) -> list[UUID]:
    """Read who left before a moment and is not erased yet."""
    found = (
        select(users.c.id)
        .where(users.c.deleted_at < before, users.c.erased_at.is_(None))
        .order_by(users.c.deleted_at)
        .limit(most)
    )
    return list((await db.execute(found)).scalars())


async def erase(db: Db, user_id: UUID, before: datetime, now: datetime) -> bool:
    """Erase what is personal of somebody who left before a moment; False when they came back."""
    name = (
        await db.execute(
            select(users.c.username)
            .where(users.c.id == user_id, users.c.deleted_at < before, users.c.erased_at.is_(None))
            .with_for_update()
        )
    ).scalar_one_or_none()
    if name is None:
        return False
    retired = pg_insert(retired_usernames).values(username=name.lower(), retired_at=now)
    await db.execute(retired.on_conflict_do_nothing())
    await db.execute(
        users.update()
        .where(users.c.id == user_id)
        .values(
            # Not the form of a username, so that nobody can take it.
            username=f"deleted-{user_id}",
            email=f"{user_id}@deleted.invalid",
            display_name="Deleted account",
            password_hash=None,
            email_verified_at=None,
            bio="",
            links=[],
            avatar_key=None,
            settings={},
            erased_at=now,
        )
    )
    return True


async def is_retired(db: Db, username: str) -> bool:
    """Whether a name belonged to somebody who is gone."""
    kept = select(retired_usernames.c.username).where(
        retired_usernames.c.username == username.lower()
    )
    return (await db.execute(kept)).first() is not None
