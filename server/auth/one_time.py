"""The tables of what signs somebody in besides a password: links in letters, other houses' word."""

from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    CheckConstraint,
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
from sqlalchemy.dialects.postgresql import insert as pg_insert

from server.kernel.database import Db, metadata

Purpose: TypeAlias = Literal["verify_email", "reset_password", "password_changed", "email_changed"]
# Those whose letters carry a link; the others only tell.
LINKS: tuple[Purpose, ...] = ("verify_email", "reset_password")

# What a link in a letter carries: good once, for a while, for one purpose.
one_time_tokens = Table(
    "one_time_tokens",
    metadata,
    Column("id", PG_UUID, primary_key=True),
    Column("user_id", PG_UUID, ForeignKey("content.users.id", ondelete="CASCADE"), nullable=False),
    Column("purpose", Text, nullable=False),
    # Where it is sent: to confirm a change of address the new one, to tell of it the old one.
    Column("email", Text, nullable=False),
    # SHA-256 of the token: the table alone opens nothing.
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("sent_at", DateTime(timezone=True)),
    Column("used_at", DateTime(timezone=True)),
    CheckConstraint(
        "purpose in ('verify_email', 'reset_password', 'password_changed', 'email_changed')",
        name="purpose",
    ),
    Index(None, "user_id"),
    Index("ix_one_time_tokens_unsent", "created_at", postgresql_where=text("sent_at is null")),
    schema="ops",
)

# Whom other houses know our people as.
identities = Table(
    "identities",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("user_id", PG_UUID, ForeignKey("content.users.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index(None, "user_id"),
    schema="ops",
)


class OneTime(Struct, frozen=True):
    """A one-time token as it stands."""

    id: UUID
    user_id: UUID
    purpose: Purpose
    email: str
    created_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    used_at: datetime | None

    def is_good(self, now: datetime) -> bool:
        """Whether it can still be used."""
        return self.used_at is None and now < self.expires_at


_COLUMNS = [one_time_tokens.c[name] for name in OneTime.__struct_fields__]


async def add(db: Db, token: OneTime, digest: bytes) -> None:
    """Store a new token."""
    fields = {name: getattr(token, name) for name in OneTime.__struct_fields__}
    await db.execute(one_time_tokens.insert().values(**fields, digest=digest))


async def find(db: Db, token_id: UUID) -> OneTime | None:
    """Read a token by its id."""
    row = (await db.execute(select(*_COLUMNS).where(one_time_tokens.c.id == token_id))).first()
    return None if row is None else OneTime(*row)


async def hold(db: Db, digest: bytes) -> OneTime | None:
    """Read a token by its digest, and keep others from using it until the transaction ends."""
    held = select(*_COLUMNS).where(one_time_tokens.c.digest == digest).with_for_update()
    row = (await db.execute(held)).first()
    return None if row is None else OneTime(*row)


async def asked_since(db: Db, user_id: UUID, moment: datetime) -> int:
    """Count the links that were made for a person since a moment."""
    counted = select(func.count()).where(
        one_time_tokens.c.user_id == user_id,
        one_time_tokens.c.created_at > moment,
        one_time_tokens.c.purpose.in_(LINKS),
    )
    return int((await db.execute(counted)).scalar_one())


async def use_up(db: Db, user_id: UUID, now: datetime, purpose: Purpose | None = None) -> None:
    """Use a person's links up: those of one purpose, or all."""
    unused = one_time_tokens.update().where(
        one_time_tokens.c.user_id == user_id,
        one_time_tokens.c.used_at.is_(None),
        one_time_tokens.c.purpose.in_(LINKS if purpose is None else (purpose,)),
    )
    await db.execute(unused.values(used_at=now))


async def mark_sent(db: Db, token_id: UUID, now: datetime) -> None:
    """Store that a token has left."""
    marked = one_time_tokens.update().where(one_time_tokens.c.id == token_id)
    await db.execute(marked.values(sent_at=now))


async def unsent(db: Db, now: datetime, most: int) -> list[UUID]:
    """Read the tokens that have not left and are still good."""
    waiting = (
        select(one_time_tokens.c.id)
        .where(
            one_time_tokens.c.sent_at.is_(None),
            one_time_tokens.c.used_at.is_(None),
            one_time_tokens.c.expires_at > now,
        )
        .order_by(one_time_tokens.c.created_at)
        .limit(most)
    )
    return list((await db.execute(waiting)).scalars())


async def forget(db: Db, before: datetime) -> None:
    """Remove tokens that ended before a moment."""
    await db.execute(one_time_tokens.delete().where(one_time_tokens.c.expires_at < before))


async def owner_of(db: Db, issuer: str, subject: str) -> UUID | None:
    """Read whom another house knows by this name."""
    found = select(identities.c.user_id).where(
        identities.c.issuer == issuer, identities.c.subject == subject
    )
    return (await db.execute(found)).scalar_one_or_none()


async def link(db: Db, issuer: str, subject: str, user_id: UUID) -> None:
    """Store whom another house knows by this name."""
    linked = pg_insert(identities).values(issuer=issuer, subject=subject, user_id=user_id)
    await db.execute(linked.on_conflict_do_nothing())


async def issuers_of(db: Db, user_id: UUID) -> list[str]:
    """Read which other houses know a person."""
    found = select(identities.c.issuer).where(identities.c.user_id == user_id)
    return sorted((await db.execute(found)).scalars())


async def unlink(db: Db, user_id: UUID) -> None:
    """Forget whom other houses know a person as."""
    await db.execute(identities.delete().where(identities.c.user_id == user_id))


async def forget_all(db: Db, user_id: UUID) -> None:
    """Remove all tokens of a person."""
    await db.execute(one_time_tokens.delete().where(one_time_tokens.c.user_id == user_id))
