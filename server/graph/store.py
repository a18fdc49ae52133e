"""The tables of who follows, blocks and mutes whom, and their SQL."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Table,
    TextClause,
    bindparam,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.graph.model import Place, Side, Tie
from server.kernel.database import Db, metadata


def _person(name: str) -> Column[Any]:
    return Column(
        name, PG_UUID, ForeignKey("content.users.id", ondelete="CASCADE"), primary_key=True
    )


def _since() -> Column[Any]:
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


follows = Table(
    "follows",
    metadata,
    _person("follower_id"),
    _person("followee_id"),
    _since(),
    CheckConstraint("follower_id <> followee_id", name="no_self"),
    # A person's followers, the latest first; and, in the same order, the chunks of a fan-out.
    Index("ix_follows_followers", "followee_id", text("created_at desc"), text("follower_id desc")),
    schema="content",
)

blocks = Table(
    "blocks",
    metadata,
    _person("user_id"),
    _person("target_id"),
    _since(),
    CheckConstraint("user_id <> target_id", name="no_self"),
    Index("ix_blocks_target", "target_id", "user_id"),
    schema="content",
)

mutes = Table(
    "mutes",
    metadata,
    _person("user_id"),
    _person("target_id"),
    _since(),
    CheckConstraint("user_id <> target_id", name="no_self"),
    Index("ix_mutes_target", "target_id"),
    schema="content",
)

_IDS = bindparam("ids", type_=ARRAY(PG_UUID))
_PAIRS: dict[Tie, tuple[str, str, str]] = {
    "follow": ("follows", "follower_id", "followee_id"),
    "block": ("blocks", "user_id", "target_id"),
    "mute": ("mutes", "user_id", "target_id"),
}


class Held(Struct, frozen=True):
    """A person, as far as their ties go."""

    id: UUID
    username: str
    state: str
    followers: int
    following: int


# Both rows in the order of their ids, whoever of the two acts: so no two wait for each other, and
# a follow and a block of the same two come one after the other.
_HOLD = text(
    """
    select id, username, state, follower_count, following_count from content.users
    where id = any(:ids) order by id for no key update
    """
).bindparams(_IDS)


async def hold(db: Db, ids: Collection[UUID]) -> dict[UUID, Held]:
    """Read people and keep others from changing their ties until the end."""
    rows = await db.execute(_HOLD, {"ids": list(ids)})
    return {row.id: Held(*row) for row in rows}


_PERSON = text(
    "select id, username, state, follower_count, following_count from content.users where id = :id"
)


async def person(db: Db, user_id: UUID) -> Held | None:
    """Read a person without holding anybody up."""
    row = (await db.execute(_PERSON, {"id": user_id})).one_or_none()
    return None if row is None else Held(*row)


_TIE = {
    tie: text(
        f"insert into content.{table} ({one}, {other}) values (:user_id, :target_id)"  # noqa: S608
        " on conflict do nothing returning 1"
    )
    for tie, (table, one, other) in _PAIRS.items()
}
_UNTIE = {
    tie: text(
        f"delete from content.{table}"  # noqa: S608 - our own names
        f" where {one} = :user_id and {other} = :target_id returning 1"
    )
    for tie, (table, one, other) in _PAIRS.items()
}
_SIZE = {
    tie: text(f"select count(*) from content.{table} where {one} = :user_id")  # noqa: S608
    for tie, (table, one, _) in _PAIRS.items()
}


async def tie(db: Db, what: Tie, user_id: UUID, target_id: UUID) -> bool:
    """Let there be a tie; False when there was one."""
    row = await db.execute(_TIE[what], {"user_id": user_id, "target_id": target_id})
    return row.first() is not None


async def untie(db: Db, what: Tie, user_id: UUID, target_id: UUID) -> bool:
    """Let there be no tie; False when there was none."""
    row = await db.execute(_UNTIE[what], {"user_id": user_id, "target_id": target_id})
    return row.first() is not None


async def size(db: Db, what: Tie, user_id: UUID) -> int:
    """Count the ties of one kind that a person has made."""
    return int((await db.execute(_SIZE[what], {"user_id": user_id})).scalar_one())


class Ties(Struct, frozen=True):
    """What is between two people, as one of them sees it."""

    following: bool
    followed_by: bool
    blocking: bool
    blocked_by: bool
    muting: bool


_TIES = text(
    """
    select
      exists (select from content.follows
              where follower_id = :user_id and followee_id = :target_id) as following,
      exists (select from content.follows
              where follower_id = :target_id and followee_id = :user_id) as followed_by,
      exists (select from content.blocks
              where user_id = :user_id and target_id = :target_id) as blocking,
      exists (select from content.blocks
              where user_id = :target_id and target_id = :user_id) as blocked_by,
      exists (select from content.mutes
              where user_id = :user_id and target_id = :target_id) as muting
    """
)


async def ties(db: Db, user_id: UUID, target_id: UUID) -> Ties:
    """Read what is between two people."""
    row = (await db.execute(_TIES, {"user_id": user_id, "target_id": target_id})).one()
    return Ties(*row)


_FOLLOWEES = text("select followee_id from content.follows where follower_id = :user_id")
_FOLLOWED = text(
    "select followee_id from content.follows"
    " where follower_id = :user_id and followee_id = any(:ids)"
).bindparams(_IDS)
_BLOCKED = text(
    """
    select target_id from content.blocks where user_id = :user_id and target_id = any(:ids)
    union
    select user_id from content.blocks where target_id = :user_id and user_id = any(:ids)
    """
).bindparams(_IDS)
_HIDDEN = text(
    """
    select target_id from content.blocks where user_id = :user_id and target_id = any(:ids)
    union
    select user_id from content.blocks where target_id = :user_id and user_id = any(:ids)
    union
    select target_id from content.mutes where user_id = :user_id and target_id = any(:ids)
    """
).bindparams(_IDS)


async def followees(db: Db, user_id: UUID) -> list[UUID]:
    """Read whom a person follows."""
    return list((await db.execute(_FOLLOWEES, {"user_id": user_id})).scalars())


async def followed(db: Db, user_id: UUID, ids: Collection[UUID]) -> set[UUID]:
    """Read which of some people a person follows."""
    return set((await db.execute(_FOLLOWED, {"user_id": user_id, "ids": list(ids)})).scalars())


async def hidden(db: Db, user_id: UUID, ids: Collection[UUID], *, muted: bool) -> set[UUID]:
    """Read which of some people are blocked either way and, if asked, which are muted."""
    statement = _HIDDEN if muted else _BLOCKED
    return set((await db.execute(statement, {"user_id": user_id, "ids": list(ids)})).scalars())


# The followers come by the index of that order; a person follows few enough to be sorted.
def _list(owner: str, shown: str) -> TextClause:
    return text(
        f"""
        select {shown} as id, created_at from content.follows
        where {owner} = :user_id
          and (cast(:at as timestamptz) is null or (created_at, {shown}) < (:at, :last))
        order by created_at desc, {shown} desc
        limit :limit
        """  # noqa: S608 - our own names
    )


_LISTS: dict[Side, TextClause] = {
    "followers": _list("followee_id", "follower_id"),
    "following": _list("follower_id", "followee_id"),
}


async def listed(
    db: Db, side: Side, user_id: UUID, *, after: Place | None, limit: int
) -> list[Place]:
    """Read one side of a person's follows, the latest first, with the time of each."""
    at, last = after or (None, None)
    given = {"user_id": user_id, "at": at, "last": last, "limit": limit}
    return [(row.created_at, row.id) for row in await db.execute(_LISTS[side], given)]


_SOME = text(
    """
    select follower_id, followee_id from content.follows where follower_id = :user_id
    union all
    select follower_id, followee_id from content.follows where followee_id = :user_id
    limit :most
    """
)
_FORGOTTEN = tuple(
    text(f"delete from content.{table} where user_id = :user_id or target_id = :user_id")  # noqa: S608
    for table in ("blocks", "mutes")
)


async def some_follows(db: Db, user_id: UUID, most: int) -> list[tuple[UUID, UUID]]:
    """Read some of the follows of and by a person, as (follower, followee)."""
    rows = await db.execute(_SOME, {"user_id": user_id, "most": most})
    return [(row.follower_id, row.followee_id) for row in rows]


async def forget(db: Db, user_id: UUID) -> None:
    """Remove whom a person blocked and muted, and who did so to them."""
    for statement in _FORGOTTEN:
        await db.execute(statement, {"user_id": user_id})


async def truth(db: Db, ids: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
    """Count the followers and the followees of people, anew."""
    counted: dict[UUID, tuple[int, int]] = dict.fromkeys(ids, (0, 0))
    for at, column in enumerate((follows.c.followee_id, follows.c.follower_id)):
        rows = await db.execute(
            select(column, func.count()).where(column.in_(list(ids))).group_by(column)
        )
        for user_id, number in rows:
            both = list(counted[user_id])
            both[at] = number
            counted[user_id] = (both[0], both[1])
    return counted
