"""The table of people, and its SQL."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import convert
from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    any_,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.exc import IntegrityError

from server.kernel.database import Db, metadata
from server.users.model import (
    Account,
    AccountSettings,
    Credentials,
    GrantedRole,
    NewUser,
    State,
    User,
)

# A username as an eye takes it in a hurry; `server.users.look` does the same to any text.
LOOK_OF_USERNAME = (
    "replace(replace(translate(lower(username), 'i10', 'llo'), 'rn', 'm'), 'vv', 'w')"
)

users = Table(
    "users",
    metadata,
    Column("id", PG_UUID, primary_key=True),
    Column("username", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("role", Text, nullable=False, server_default="user"),
    Column("state", Text, nullable=False, server_default="active"),
    Column("password_hash", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # The moment at which somebody showed that mail to this address reaches them.
    Column("email_verified_at", DateTime(timezone=True)),
    Column("bio", Text, nullable=False, server_default=""),
    Column("links", JSONB, nullable=False, server_default="[]"),
    Column("avatar_key", Text),
    # Only what differs from the defaults, so that a new setting needs no migration.
    Column("settings", JSONB, nullable=False, server_default="{}"),
    # Kept by whoever follows and posts, through `users.count`; recounted by a job.
    Column("follower_count", Integer, nullable=False, server_default="0"),
    Column("following_count", Integer, nullable=False, server_default="0"),
    Column("post_count", Integer, nullable=False, server_default="0"),
    # The person asked to be deleted; at a later moment what is personal is erased.
    Column("deleted_at", DateTime(timezone=True)),
    Column("state_before", Text),
    Column("erased_at", DateTime(timezone=True)),
    # Role or state is another since then: access tokens that were made before do not know.
    Column("authority_changed_at", DateTime(timezone=True)),
    CheckConstraint("role in ('user', 'creator', 'admin')", name="role"),
    CheckConstraint("state in ('active', 'shadowbanned', 'suspended', 'deleted')", name="state"),
    Index("uq_users_username", text("lower(username)"), unique=True),
    Index("uq_users_email", text("lower(email)"), unique=True),
    # Searches by the beginning of a name, whatever the database's collation.
    Index(
        "ix_users_username_prefix",
        literal_column("lower(username)").label("prefix"),
        postgresql_ops={"prefix": "text_pattern_ops"},
    ),
    Index(
        "ix_users_display_name_prefix",
        literal_column("lower(display_name)").label("prefix"),
        postgresql_ops={"prefix": "text_pattern_ops"},
    ),
    Index("ix_users_look", text(LOOK_OF_USERNAME)),
    Index("ix_users_leaving", "deleted_at", postgresql_where=text("erased_at is null")),
    Index(
        "ix_users_authority_changed",
        "authority_changed_at",
        postgresql_where=text("authority_changed_at is not null"),
    ),
    schema="content",
)

_KNOWN = (
    users.c.id,
    users.c.username,
    users.c.email,
    users.c.display_name,
    users.c.role,
    users.c.state,
    users.c.created_at,
    users.c.email_verified_at,
    users.c.deleted_at,
)


async def insert(db: Db, user_id: UUID, new: NewUser, display_name: str) -> User | None:
    """Store a person; None when the name or the address is in use."""
    statement = (
        pg_insert(users)
        .values(
            id=user_id,
            username=new.username,
            email=new.email,
            display_name=display_name,
            role=new.role,
            password_hash=new.password_hash,
        )
        .on_conflict_do_nothing()
        .returning(*_KNOWN)
    )
    row = (await db.execute(statement)).one_or_none()
    return None if row is None else User(*row)


async def by_ids(db: Db, ids: Collection[UUID]) -> dict[UUID, User]:
    """Read people by their ids."""
    if not ids:
        return {}
    rows = await db.execute(
        select(*_KNOWN).where(users.c.id == any_(literal(list(ids), ARRAY(PG_UUID))))
    )
    return {row.id: User(*row) for row in rows}


async def by_username(db: Db, username: str) -> User | None:
    """Read a person by username, however it is capitalised."""
    found = select(*_KNOWN).where(func.lower(users.c.username) == username.lower())
    row = (await db.execute(found)).one_or_none()
    return None if row is None else User(*row)


async def by_usernames(db: Db, usernames: Collection[str]) -> list[User]:
    """Read people by their usernames, however those are capitalised."""
    if not usernames:
        return []
    wanted = literal([each.lower() for each in usernames], ARRAY(Text))
    rows = await db.execute(select(*_KNOWN).where(func.lower(users.c.username) == any_(wanted)))
    return [User(*row) for row in rows]


async def credentials(db: Db, login: str) -> Credentials | None:
    """Read what a sign-in is compared with, by username or by address."""
    column = users.c.email if "@" in login else users.c.username
    found = select(*_KNOWN, users.c.password_hash).where(func.lower(column) == login.lower())
    row = (await db.execute(found)).one_or_none()
    return None if row is None else Credentials(User(*row[:-1]), row.password_hash)


async def credentials_of(db: Db, user_id: UUID) -> Credentials | None:
    """Read what is compared when a person confirms what they ask for."""
    found = select(*_KNOWN, users.c.password_hash).where(users.c.id == user_id)
    row = (await db.execute(found)).one_or_none()
    return None if row is None else Credentials(User(*row[:-1]), row.password_hash)


async def by_email(db: Db, email: str) -> User | None:
    """Read a person by address, however it is capitalised."""
    found = select(*_KNOWN).where(func.lower(users.c.email) == email.lower())
    row = (await db.execute(found)).one_or_none()
    return None if row is None else User(*row)


async def confirm_email(db: Db, user_id: UUID, email: str, now: datetime) -> bool:
    """Give a person an address that reaches them; False when somebody else has it."""
    changed = users.update().where(users.c.id == user_id)
    try:
        async with db.begin_nested():
            await db.execute(changed.values(email=email, email_verified_at=now))
    except IntegrityError:
        return False
    return True


async def set_password_hash(db: Db, user_id: UUID, password_hash: str) -> None:
    """Replace the hash of a person's password."""
    await db.execute(
        users.update().where(users.c.id == user_id).values(password_hash=password_hash)
    )


async def set_role(db: Db, user_id: UUID, role: GrantedRole) -> bool:
    """Give a person a role; False when there is no such person."""
    changed = users.update().where(users.c.id == user_id).returning(users.c.id)
    given = changed.values(role=role, authority_changed_at=func.now())
    return (await db.execute(given)).first() is not None


async def set_state(db: Db, user_id: UUID, state: State) -> None:
    """Set the state of an account."""
    changed = users.update().where(users.c.id == user_id)
    await db.execute(changed.values(state=state, authority_changed_at=func.now()))


async def changed_within(db: Db, within: timedelta, most: int) -> list[User]:
    """Read whose role or state changed lately, the last changed last."""
    changed = select(*_KNOWN).where(users.c.authority_changed_at >= func.now() - within)
    rows = await db.execute(changed.order_by(users.c.authority_changed_at.desc()).limit(most))
    return [User(*row) for row in rows][::-1]


async def account(db: Db, username: str) -> Account | None:
    """Read all of a person by username."""
    columns = (
        users.c.bio,
        users.c.links,
        users.c.avatar_key,
        users.c.settings,
        users.c.follower_count,
        users.c.following_count,
        users.c.post_count,
    )
    found = select(*_KNOWN, *columns).where(func.lower(users.c.username) == username.lower())
    row = (await db.execute(found)).one_or_none()
    if row is None:
        return None
    bio, links, avatar_key, kept, *counts = row[len(_KNOWN) :]
    settings = convert(kept, AccountSettings)
    return Account(User(*row[: len(_KNOWN)]), bio, tuple(links), avatar_key, settings, *counts)


async def settings_of(db: Db, ids: Collection[UUID]) -> dict[UUID, AccountSettings]:
    """Read what people decided about their accounts."""
    if not ids:
        return {}
    rows = await db.execute(
        select(users.c.id, users.c.settings).where(
            users.c.id == any_(literal(list(ids), ARRAY(PG_UUID)))
        )
    )
    return {row.id: convert(row.settings, AccountSettings) for row in rows}


async def change(db: Db, user_id: UUID, fields: Mapping[str, Any]) -> None:
    """Change fields of a profile."""
    await db.execute(users.update().where(users.c.id == user_id).values(**fields))


async def looks_like(db: Db, seen: str, but_for: UUID) -> bool:
    """Whether somebody else has a username of this look."""
    other = select(users.c.id).where(
        literal_column(LOOK_OF_USERNAME) == seen, users.c.id != but_for
    )
    return (await db.execute(other.limit(1))).first() is not None


async def search(db: Db, begins: str, after: str, most: int) -> list[User]:
    """Read people by the beginning of their name, or by their address, in the order of usernames.

    An empty beginning finds everybody.
    """
    begun = begins.lower()
    lower = func.lower(users.c.username)
    fits = or_(
        lower.startswith(begun, autoescape=True),
        func.lower(users.c.display_name).startswith(begun, autoescape=True),
        func.lower(users.c.email) == begun,
    )
    found = select(*_KNOWN).where(lower > after).order_by(lower).limit(most)
    rows = await db.execute(found.where(fits) if begun else found)
    return [User(*row) for row in rows]


async def hold(db: Db, user_id: UUID) -> User | None:
    """Read a person and keep others from changing or holding the row until the end."""
    held = select(*_KNOWN).where(users.c.id == user_id).with_for_update(key_share=True)
    row = (await db.execute(held)).one_or_none()
    return None if row is None else User(*row)


async def of_role(db: Db, role: GrantedRole) -> list[UUID]:
    """Read the ids of everybody who has a role and an account in order."""
    found = select(users.c.id).where(users.c.role == role, users.c.state == "active")
    return list((await db.execute(found)).scalars())


async def of_domain(db: Db, domain: str) -> list[UUID]:
    """Read the ids of everybody whose address is at a domain."""
    at = users.c.email.endswith(f"@{domain}", autoescape=True)
    return list((await db.execute(select(users.c.id).where(at))).scalars())


async def forget(db: Db, ids: Collection[UUID]) -> None:
    """Remove people."""
    gone = literal(list(ids), ARRAY(PG_UUID))
    await db.execute(users.delete().where(users.c.id == any_(gone)))


async def count(
    db: Db, user_id: UUID, *, followers: int = 0, following: int = 0, posts: int = 0
) -> None:
    """Move a person's counts by so much."""
    await db.execute(
        users.update()
        .where(users.c.id == user_id)
        .values(
            follower_count=users.c.follower_count + followers,
            following_count=users.c.following_count + following,
            post_count=users.c.post_count + posts,
        )
    )


async def sample(db: Db, begin: UUID, most: int) -> list[UUID]:
    """Read some people, from an id on."""
    found = select(users.c.id).where(users.c.id >= begin).order_by(users.c.id).limit(most)
    return list((await db.execute(found)).scalars())


async def set_counts(db: Db, user_id: UUID, followers: int, following: int, posts: int) -> bool:
    """Set a person's counts; False when they were right."""
    right = {"follower_count": followers, "following_count": following, "post_count": posts}
    wrong = or_(*(users.c[name] != number for name, number in right.items()))
    mended = users.update().where(users.c.id == user_id, wrong).values(**right)
    return (await db.execute(mended)).rowcount > 0
