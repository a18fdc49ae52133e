"""The table of refresh tokens, by family, and its SQL."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Column, DateTime, ForeignKey, Index, LargeBinary, Table, func, select
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.kernel.database import Db, metadata
from server.kernel.ids import new_id

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("id", PG_UUID, primary_key=True),
    # All tokens that came from one sign-in: the reuse of one ends them all.
    Column("family", PG_UUID, nullable=False),
    Column("user_id", PG_UUID, ForeignKey("content.users.id", ondelete="CASCADE"), nullable=False),
    # SHA-256 of the token: the table alone signs nobody in.
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Index(None, "family"),
    Index(None, "user_id"),
    schema="ops",
)


class Token(Struct, frozen=True):
    """Whose a refresh token is, and whether it was used before."""

    family: UUID
    user_id: UUID
    used: bool


async def add(db: Db, *, family: UUID, user_id: UUID, digest: bytes, expires_at: datetime) -> None:
    """Store a new refresh token."""
    await db.execute(
        refresh_tokens.insert().values(
            id=new_id(), family=family, user_id=user_id, digest=digest, expires_at=expires_at
        )
    )


async def use(db: Db, digest: bytes, now: datetime) -> Token | None:
    """Use a token up; None when it cannot be used, or not any more."""
    used = (
        refresh_tokens.update()
        .where(
            refresh_tokens.c.digest == digest,
            refresh_tokens.c.used_at.is_(None),
            refresh_tokens.c.revoked_at.is_(None),
            refresh_tokens.c.expires_at > now,
        )
        .values(used_at=now)
        .returning(refresh_tokens.c.family, refresh_tokens.c.user_id)
    )
    row = (await db.execute(used)).one_or_none()
    return None if row is None else Token(row.family, row.user_id, used=True)


async def find(db: Db, digest: bytes) -> Token | None:
    """Look a token up without using it."""
    found = select(
        refresh_tokens.c.family, refresh_tokens.c.user_id, refresh_tokens.c.used_at
    ).where(refresh_tokens.c.digest == digest)
    row = (await db.execute(found)).one_or_none()
    return None if row is None else Token(row.family, row.user_id, used=row.used_at is not None)


async def end_family(db: Db, family: UUID, now: datetime) -> bool:
    """End every token of a family, also one that a concurrent use is about to add.

    Says whether there was anything left to end.
    """
    ended = (
        refresh_tokens.update()
        .where(refresh_tokens.c.family == family, refresh_tokens.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    # A use that was under way held its row until it had added the next token, which this
    # statement could not see yet: so it is repeated until nothing is left to end.
    any_ended = False
    while (await db.execute(ended)).rowcount:
        any_ended = True
    return any_ended


async def has_ended(db: Db, family: UUID) -> bool:
    """Tell whether a family was ended; one whose tokens were all forgotten was not."""
    revoked = select(refresh_tokens.c.id).where(
        refresh_tokens.c.family == family, refresh_tokens.c.revoked_at.is_not(None)
    )
    return (await db.execute(revoked.limit(1))).first() is not None


async def forget(db: Db, before: datetime) -> int:
    """Remove tokens that ended before a moment; says how many."""
    gone = refresh_tokens.delete().where(refresh_tokens.c.expires_at < before)
    return (await db.execute(gone)).rowcount
