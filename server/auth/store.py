"""The table of refresh tokens, by family, and its SQL."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
    func,
    select,
    text,
)
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

# One row for each family, for its owner to recognise and to end.
sign_ins = Table(
    "sign_ins",
    metadata,
    Column("family", PG_UUID, primary_key=True),
    Column("user_id", PG_UUID, ForeignKey("content.users.id", ondelete="CASCADE"), nullable=False),
    Column("user_agent", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("last_used_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("ended_at", DateTime(timezone=True)),
    Index("ix_sign_ins_user", "user_id", postgresql_where=text("ended_at is null")),
    Index("ix_sign_ins_ended", "ended_at", postgresql_where=text("ended_at is not null")),
    schema="ops",
)


class Token(Struct, frozen=True):
    """A refresh token as it stands."""

    family: UUID
    user_id: UUID
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


class SignIn(Struct, frozen=True):
    """A sign-in that goes on, as its owner may see it."""

    family: UUID
    user_id: UUID
    user_agent: str
    created_at: datetime
    last_used_at: datetime


async def add(db: Db, *, family: UUID, user_id: UUID, digest: bytes, expires_at: datetime) -> None:
    """Store a new refresh token."""
    await db.execute(
        refresh_tokens.insert().values(
            id=new_id(), family=family, user_id=user_id, digest=digest, expires_at=expires_at
        )
    )


async def add_sign_in(db: Db, family: UUID, user_id: UUID, user_agent: str, now: datetime) -> None:
    """Store that somebody signed in, and with what."""
    await db.execute(
        sign_ins.insert().values(
            family=family,
            user_id=user_id,
            user_agent=user_agent,
            created_at=now,
            last_used_at=now,
        )
    )


async def is_new_agent(db: Db, user_id: UUID, user_agent: str) -> bool:
    """Whether somebody signed in before, and never with this program of all that is kept."""
    same = func.bool_or(sign_ins.c.user_agent == user_agent)
    found = await db.execute(select(same).where(sign_ins.c.user_id == user_id))
    return found.scalar_one() is False


async def touch_sign_in(db: Db, family: UUID, now: datetime) -> None:
    """Store that a sign-in is still in use."""
    await db.execute(sign_ins.update().where(sign_ins.c.family == family).values(last_used_at=now))


async def list_sign_ins(db: Db, user_id: UUID, most: int) -> list[SignIn]:
    """Read a person's sign-ins that go on, the last used first."""
    columns = [sign_ins.c[name] for name in SignIn.__struct_fields__]
    going_on = (
        select(*columns)
        .where(sign_ins.c.user_id == user_id, sign_ins.c.ended_at.is_(None))
        .order_by(sign_ins.c.last_used_at.desc(), sign_ins.c.family)
        .limit(most)
    )
    return [SignIn(*row) for row in await db.execute(going_on)]


async def sign_in(db: Db, family: UUID) -> SignIn | None:
    """Read a sign-in that goes on."""
    columns = [sign_ins.c[name] for name in SignIn.__struct_fields__]
    found = select(*columns).where(sign_ins.c.family == family, sign_ins.c.ended_at.is_(None))
    row = (await db.execute(found)).one_or_none()
    return None if row is None else SignIn(*row)


async def hold(db: Db, digest: bytes) -> Token | None:
    """Read a token and keep others from its family until the transaction ends."""
    known = await find(db, digest)
    if known is None:
        return None
    await _hold_family(db, known.family)
    # Anew, for whoever held the family until now may have used or ended it.
    return await find(db, digest)


async def find(db: Db, digest: bytes) -> Token | None:
    """Look a token up."""
    columns = [refresh_tokens.c[name] for name in Token.__struct_fields__]
    found = select(*columns).where(refresh_tokens.c.digest == digest)
    row = (await db.execute(found)).one_or_none()
    return None if row is None else Token(*row)


async def use(db: Db, token: Token, digest: bytes, now: datetime) -> None:
    """Use a token up, and with it all others of its family that could have been used instead."""
    used = refresh_tokens.update().where(refresh_tokens.c.digest == digest).values(used_at=now)
    await db.execute(used)
    others = refresh_tokens.update().where(
        refresh_tokens.c.family == token.family,
        refresh_tokens.c.used_at.is_(None),
        refresh_tokens.c.revoked_at.is_(None),
    )
    await db.execute(others.values(revoked_at=now))


async def was_followed(db: Db, token: Token) -> bool:
    """Tell whether a token that was made later in its family has been used already."""
    later = select(refresh_tokens.c.id).where(
        refresh_tokens.c.family == token.family,
        refresh_tokens.c.created_at > token.created_at,
        refresh_tokens.c.used_at.is_not(None) | refresh_tokens.c.revoked_at.is_not(None),
    )
    return (await db.execute(later.limit(1))).first() is not None


async def end_family(db: Db, family: UUID, now: datetime) -> bool:
    """End every token of a family; says whether there was anything left to end."""
    await _hold_family(db, family)
    ended = (
        refresh_tokens.update()
        .where(refresh_tokens.c.family == family, refresh_tokens.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    await db.execute(
        sign_ins.update()
        .where(sign_ins.c.family == family, sign_ins.c.ended_at.is_(None))
        .values(ended_at=now)
    )
    return (await db.execute(ended)).rowcount > 0


async def families(db: Db, user_id: UUID) -> list[UUID]:
    """Read the families of a person that have not been ended."""
    alive = (
        select(refresh_tokens.c.family)
        .where(refresh_tokens.c.user_id == user_id, refresh_tokens.c.revoked_at.is_(None))
        .distinct()
        .order_by(refresh_tokens.c.family)
    )
    return list((await db.execute(alive)).scalars())


async def has_ended(db: Db, family: UUID) -> bool:
    """Tell whether a family was ended; one that is not known any more was not."""
    ended = select(func.bool_and(refresh_tokens.c.revoked_at.is_not(None)))
    return bool((await db.execute(ended.where(refresh_tokens.c.family == family))).scalar())


async def ended_since(db: Db, since: datetime, most: int) -> list[UUID]:
    """Read the sign-ins that were ended from a moment on, the last ended last."""
    ended = select(sign_ins.c.family).where(sign_ins.c.ended_at >= since)
    found = await db.execute(ended.order_by(sign_ins.c.ended_at.desc()).limit(most))
    return list(found.scalars())[::-1]


async def _hold_family(db: Db, family: UUID) -> None:
    # By its first row, which all find: the next token, which another is adding, has none yet.
    first = select(refresh_tokens.c.id).where(refresh_tokens.c.family == family)
    await db.execute(first.order_by(refresh_tokens.c.id).limit(1).with_for_update())


async def forget(db: Db, before: datetime) -> int:
    """Remove tokens that ended before a moment; says how many."""
    gone = refresh_tokens.delete().where(refresh_tokens.c.expires_at < before)
    count = (await db.execute(gone)).rowcount
    left = select(refresh_tokens.c.id).where(refresh_tokens.c.family == sign_ins.c.family)
    await db.execute(sign_ins.delete().where(sign_ins.c.last_used_at < before, ~left.exists()))
    return count


async def forget_person(db: Db, user_id: UUID) -> None:
    """Remove all tokens and sign-ins of a person."""
    for table in (refresh_tokens, sign_ins):
        await db.execute(table.delete().where(table.c.user_id == user_id))
