"""What people brought before their followers, and its SQL: truth that timelines are rebuilt from.

It is a read model of posts and reposts, kept by reactions. One table for both, without partitions,
lets a timeline be read by one look at one index for each person followed.
"""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Table,
    Text,
    TextClause,
    bindparam,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.kernel.database import Db, metadata
from server.timelines.model import ONCE_WITHIN, Entry, Key

appearances = Table(
    "appearances",
    metadata,
    Column("item_id", PG_UUID, primary_key=True),
    Column("actor_id", PG_UUID, primary_key=True),
    Column("repost", Boolean, primary_key=True),
    # Microseconds since 1970, as keys have it.
    Column("at", BigInteger, nullable=False),
    # Of the item itself: who wrote it, unless it came from a source, and when.
    Column("author_id", PG_UUID),
    Column("posted_at", BigInteger, nullable=False),
    Index(
        "ix_appearances_actor",
        "actor_id",
        text('"at" desc'),
        text("item_id desc"),
        postgresql_include=["repost"],
    ),
    schema="content",
)

# Authors with so many followers that these merge in their posts when they read.
pulled_authors = Table(
    "pulled_authors",
    metadata,
    Column(
        "user_id", PG_UUID, ForeignKey("content.users.id", ondelete="CASCADE"), primary_key=True
    ),
    # `pull`: read by all, written to nobody; `both`: read and written, on the way back.
    Column("mode", Text, nullable=False),
    Column("turn", PG_UUID, nullable=False),
    CheckConstraint("mode in ('pull', 'both')", name="mode"),
    schema="content",
)

_IDS = bindparam("ids", type_=ARRAY(PG_UUID))
_MICROS = "(extract(epoch from {}) * 1000000)::bigint"
_POSTED = _MICROS.format("i.sort_at")
# A repost always comes after what it repeats.
_REPOSTED = f"greatest({_MICROS.format('r.created_at')}, {_POSTED} + 1)"

# The lock makes a retraction wait, or be waited for: so its own step always finds the row.
_NOTE_POSTS = text(
    f"""
    insert into content.appearances (item_id, actor_id, repost, "at", author_id, posted_at)
    select i.id, i.author_id, false, {_POSTED}, i.author_id, {_POSTED}
    from content.items i
    where i.id = any(:ids) and i.state = 'live' and i.kind <> 'COMMENT' and i.author_id is not null
    order by i.id for share of i
    on conflict do nothing
    returning item_id, actor_id, repost, "at"
    """  # noqa: S608 - of constants
).bindparams(_IDS)
_NOTE_REPOSTS = text(
    f"""
    insert into content.appearances (item_id, actor_id, repost, "at", author_id, posted_at)
    select r.item_id, r.user_id, true, {_REPOSTED}, i.author_id, {_POSTED}
    from engage.reposts r join content.items i on i.id = r.item_id
    where r.item_id = any(:ids) and i.state = 'live'
      and (cast(:user_id as uuid) is null or r.user_id = :user_id)
    order by i.id for share of i
    on conflict do nothing
    returning item_id, actor_id, repost, "at"
    """  # noqa: S608 - of constants
).bindparams(_IDS)
_DROP_ITEMS = text(
    """
    delete from content.appearances a where item_id = any(:ids)
      and not exists (select from content.items i where i.id = a.item_id and i.state = 'live')
    returning item_id, actor_id, repost, "at"
    """
).bindparams(_IDS)
_DROP_REPOST = text(
    """
    delete from content.appearances
    where item_id = :item_id and actor_id = :user_id and repost
      and not exists (
        select from engage.reposts where item_id = :item_id and user_id = :user_id)
    returning item_id, actor_id, repost, "at"
    """
)


async def note_posts(db: Db, ids: Collection[UUID]) -> list[Entry]:
    """Note what of some items people wrote here; gives what is new."""
    return _entries(await db.execute(_NOTE_POSTS, {"ids": list(ids)}))


async def note_reposts(db: Db, ids: Collection[UUID], user_id: UUID | None = None) -> list[Entry]:
    """Note reposts of some items, by one person or by everybody; gives what is new."""
    return _entries(await db.execute(_NOTE_REPOSTS, {"ids": list(ids), "user_id": user_id}))


async def drop_items(db: Db, ids: Collection[UUID]) -> list[Entry]:
    """Remove items that are live no more from where people brought them; gives what was there."""
    return _entries(await db.execute(_DROP_ITEMS, {"ids": list(ids)}))


async def drop_repost(db: Db, item_id: UUID, user_id: UUID) -> list[Entry]:
    """Remove a repost that was taken back; gives it if it was there."""
    return _entries(await db.execute(_DROP_REPOST, {"item_id": item_id, "user_id": user_id}))


def _newest(sources: str) -> str:
    """Write the read of the newest entries of many: one look at the index for each of them.

    First a few of each, which gives a moment that the wanted ones cannot be older than; then of
    each what is not older. So those who post much cost no more than they contribute.
    """
    one = """
      select a.item_id, a.actor_id, a.repost, a."at" from content.appearances a
      where a.actor_id = source.id and (a."at", a.item_id) <= (:at, :item_id)
        and (a."at", a.item_id, a.actor_id) < (:at, :item_id, :actor_id)
    """
    order = 'order by "at" desc, item_id desc'
    return f"""
    with source as materialized ({sources}),
    sampled as (
      select taste."at" from source cross join lateral (
        {one} {order}
        limit (select greatest(4, 2 * cast(:limit as bigint) / greatest(1, count(*)))
               from source)) taste
      order by taste."at" desc limit :limit),
    bound as (
      select case when count(*) < cast(:limit as bigint) then 0 else min("at") end as "at"
      from sampled)
    select found.item_id, found.actor_id, found.repost, found."at"
    from source cross join lateral (
      {one} and a."at" >= (select bound."at" from bound) {order} limit :limit) found
    order by found."at" desc, found.item_id desc, found.actor_id desc limit :limit
    """  # noqa: S608 - of constants


_EVERYBODY = """
  select f.followee_id as id from content.follows f
  where f.follower_id = :reader and not exists (
    select from content.mutes m where m.user_id = :reader and m.target_id = f.followee_id)
  union all select cast(:reader as uuid)
"""
_UNPULLED = f"""
  select everybody.id from ({_EVERYBODY}) everybody
  where not exists (
    select from content.pulled_authors p where p.user_id = everybody.id and p.mode = 'pull')
"""  # noqa: S608 - of constants
_PULLED = """
  select p.user_id as id from content.pulled_authors p
  where p.user_id = :reader or exists (
    select from content.follows f where f.follower_id = :reader and f.followee_id = p.user_id)
"""
_NEWEST = text(_newest(_EVERYBODY))
_NEWEST_PUSHED = text(_newest(_UNPULLED))
_NEWEST_PULLED = text(_newest(_PULLED))
_NEWEST_OF_ONE = text(
    """
    select a.item_id, a.actor_id, a.repost, a."at" from content.appearances a
    where a.actor_id = :reader and (a."at", a.item_id) <= (:at, :item_id)
      and (a."at", a.item_id, a.actor_id) < (:at, :item_id, :actor_id)
    order by a."at" desc, a.item_id desc limit :limit
    """
)


async def newest(db: Db, reader: UUID, before: Key, limit: int) -> list[Entry]:
    """Read what those whom a person follows brought, and they themselves, newest first."""
    return await _read(db, _NEWEST, reader, before, limit)


async def newest_pushed(db: Db, reader: UUID, before: Key, limit: int) -> list[Entry]:
    """Read what belongs into a person's list: `newest` without those who are only pulled."""
    return await _read(db, _NEWEST_PUSHED, reader, before, limit)


async def newest_pulled(db: Db, reader: UUID, before: Key, limit: int) -> list[Entry]:
    """Read what a person's list lacks: `newest` of those who are pulled."""
    return await _read(db, _NEWEST_PULLED, reader, before, limit)


async def newest_of(db: Db, actor: UUID, before: Key, limit: int) -> list[Entry]:
    """Read what one person brought, newest first."""
    return await _read(db, _NEWEST_OF_ONE, actor, before, limit)


async def _read(db: Db, statement: Any, reader: UUID, before: Key, limit: int) -> list[Entry]:
    given = {
        "reader": reader,
        "at": before.at,
        "item_id": before.item_id,
        "actor_id": before.actor_id,
        "limit": limit,
    }
    return _entries(await db.execute(statement, given))


def _heard(actor: str) -> str:
    """Write that a reader hears a person: follows them, has not muted them, and they may speak."""
    return f"""
    ({actor} = w.reader or (
      exists (select from content.follows f
              where f.follower_id = w.reader and f.followee_id = {actor})
      and not exists (select from content.mutes m
                      where m.user_id = w.reader and m.target_id = {actor})
      and exists (select from content.users u where u.id = {actor} and u.state = 'active')))
    """  # noqa: S608 - of constants


_WITHIN = ONCE_WITHIN.seconds * 1_000_000 + ONCE_WITHIN.days * 86_400_000_000


def keep_statement(many: int) -> TextClause:
    """Write what compares entries with the truth.

    An entry stays if it is still so, if the reader hears who brought it and may see whose it is,
    and if nobody else brought it to them a little earlier. Whether somebody did is asked of the
    item's reposts; of an item that has very many, of the people whom the reader follows.
    """
    earlier = f"""
      e.repost and e."at" >= a."at" - {_WITHIN} and (e."at", e.actor_id) < (a."at", a.actor_id)
      and {_heard("e.actor_id")}
    """
    return text(
        f"""
        select w.reader, a.item_id, a.actor_id, a.repost, a."at"
        from unnest(:readers, :items, :actors, :reposts)
          as w (reader, item_id, actor_id, repost)
        join content.appearances a
          on a.item_id = w.item_id and a.actor_id = w.actor_id and a.repost = w.repost
        where {_heard("a.actor_id")}
          and (a.author_id is null or a.author_id = w.reader or (
            exists (select from content.users u where u.id = a.author_id and u.state = 'active')
            and not exists (select from content.blocks b
                            where b.user_id = w.reader and b.target_id = a.author_id)
            and not exists (select from content.blocks b
                            where b.user_id = a.author_id and b.target_id = w.reader)
            and not exists (select from content.mutes m
                            where m.user_id = w.reader and m.target_id = a.author_id)))
          and case
            when not a.repost then true
            when a.author_id is not null and a.posted_at >= a."at" - {_WITHIN}
              and {_heard("a.author_id")} then false
            when (select count(*) from (
                    select from content.appearances e
                    where e.item_id = a.item_id and e.repost limit {many}) few) < {many}
              then not exists (
                select from content.appearances e where e.item_id = a.item_id and {earlier})
            else not exists (
                select from (select w.reader as id union all
                             select f.followee_id from content.follows f
                             where f.follower_id = w.reader offset 0) whom
                where exists (
                  select from content.appearances e
                  where e.item_id = a.item_id and e.actor_id = whom.id and {earlier} offset 0))
          end
        """  # noqa: S608 - of constants
    ).bindparams(
        bindparam("readers", type_=ARRAY(PG_UUID)),
        bindparam("items", type_=ARRAY(PG_UUID)),
        bindparam("actors", type_=ARRAY(PG_UUID)),
        bindparam("reposts", type_=ARRAY(Boolean)),
    )


MANY = 500
KEEP = keep_statement(MANY)


async def keep(db: Db, wanted: Sequence[tuple[UUID, Entry]]) -> set[tuple[UUID, Entry]]:
    """Choose those entries that are in their reader's timeline now."""
    if not wanted:
        return set()
    given = {
        "readers": [reader for reader, _ in wanted],
        "items": [entry.item_id for _, entry in wanted],
        "actors": [entry.actor_id for _, entry in wanted],
        "reposts": [entry.repost for _, entry in wanted],
    }
    rows = await db.execute(KEEP, given)
    return {(row.reader, Entry(Key(row.at, row.item_id, row.actor_id), row.repost)) for row in rows}


_LISTENERS = text(
    """
    select f.follower_id, f.followee_id from content.follows f
    where f.followee_id = any(:ids) and f.follower_id = any(:readers)
    """
).bindparams(_IDS, bindparam("readers", type_=ARRAY(PG_UUID)))


async def listeners(
    db: Db, actors: Collection[UUID], readers: Collection[UUID]
) -> list[tuple[UUID, UUID]]:
    """Read which of some readers follow which of some people, as (reader, person)."""
    rows = await db.execute(_LISTENERS, {"ids": list(actors), "readers": list(readers)})
    return [(row.follower_id, row.followee_id) for row in rows]


def _entries(rows: Any) -> list[Entry]:
    return [Entry(Key(row.at, row.item_id, row.actor_id), row.repost) for row in rows]
