"""The SQL that changes what is in inboxes. The caller holds the inboxes' rows: see `hold`."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.types import Text

from server.kernel.database import Db
from server.kernel.ids import new_id
from server.notifications.model import MOST_ACTORS, ChoiceChange, Kind, Notice

_HOLD = text(
    """
    insert into engage.inboxes as held (user_id, change)
    select id, 1 from unnest(:users) as wanted(id) order by id
    on conflict (user_id) do update set change = held.change + 1
    returning user_id, change, choices
    """
).bindparams(bindparam("users", type_=ARRAY(PG_UUID)))
# One look by the key for each that is asked: planned while the tables were small, a plain join
# reads all actors of a group anew for each.
_KNOWN = text(
    """
    select a.user_id, a.group_key, a.actor_id, a.notification_id, a.withdrawn,
           a.place > n.seen_version as unseen, n.read_at is null as unread
    from unnest(:users, :groups, :actors) as asked(user_id, group_key, actor_id)
    cross join lateral (
      select known.* from engage.notification_actors known
      where known.user_id = asked.user_id and known.group_key = asked.group_key
        and known.actor_id = asked.actor_id
      offset 0) a
    join engage.notifications n on n.user_id = a.user_id and n.id = a.notification_id
    """
).bindparams(
    bindparam("users", type_=ARRAY(PG_UUID)),
    bindparam("groups", type_=ARRAY(Text)),
    bindparam("actors", type_=ARRAY(PG_UUID)),
)
_GROUP = text(
    """
    insert into engage.notifications as kept
      (user_id, id, kind, target_id, item_id, comment_id, actor_ids, excerpt, group_key,
       created_at, updated_at, quiet, version, change)
    values (:user_id, :id, :kind, :target_id, :item_id, :comment_id, '{}', :excerpt, :group_key,
       :now, :now, :quiet, :more, :change)
    on conflict (user_id, group_key) where read_at is null do update set
      comment_id = excluded.comment_id, excerpt = excluded.excerpt, quiet = excluded.quiet,
      updated_at = excluded.updated_at, version = kept.version + :more,
      change = excluded.change, gone_at = null
    returning id, version
    """
)
_ACTORS = text(
    """
    insert into engage.notification_actors as known
      (user_id, group_key, actor_id, notification_id, place)
    select :user_id, :group_key, actor_id, :id, :before + place
    from unnest(:actors) with ordinality as fresh(actor_id, place)
    on conflict (user_id, group_key, actor_id, notification_id) do update set
      place = excluded.place, withdrawn = false
    """
).bindparams(bindparam("actors", type_=ARRAY(PG_UUID)))
# The count moves by what was added; to count a crowd anew at each of its likes would be slow.
_COUNT = text(
    """
    update engage.notifications set
      actor_ids = coalesce((
        select array_agg(actor_id order by place desc) from (
          select actor_id, place from engage.notification_actors
          where notification_id = :id and not withdrawn order by place desc limit :most) newest),
        '{}'),
      actor_count = actor_count + :more,
      change = :change,
      gone_at = case
        -- Gone with actors left: its target is, and one actor fewer does not bring it back.
        when gone_at is not null and actor_count > 0 then gone_at
        when actor_count + :more > 0 then null
        else cast(:now as timestamptz) end
    where user_id = :user_id and id = :id
    returning gone_at is not null
    """
)
_WITHDRAW = text(
    """
    update engage.notification_actors set withdrawn = :withdrawn
    where user_id = :user_id and group_key = :group_key and actor_id = any(:actors)
      and notification_id = :id
    """
).bindparams(bindparam("actors", type_=ARRAY(PG_UUID)))
_READ = text(
    """
    update engage.notifications set read_at = :now, seen_version = version, change = :change
    where user_id = :user_id and read_at is null and (
      cast(:up_to as uuid) is null or updated_at <= (
        select updated_at from engage.notifications where user_id = :user_id and id = :up_to))
    """
)
_SEEN = text(
    """
    update engage.notifications set seen_version = version, change = :change
    where user_id = :user_id and read_at is null and seen_version < version
    """
)
_RETRACTED_OWNERS = text(
    """
    select distinct user_id from engage.notifications
    where gone_at is null
      and (item_id = any(:items) or target_id = any(:items) or comment_id = any(:items))
    """
).bindparams(bindparam("items", type_=ARRAY(PG_UUID)))
_RETRACT = text(
    """
    update engage.notifications n set gone_at = :now, change = held.change
    from engage.inboxes held
    where held.user_id = n.user_id and n.user_id = any(:owners) and n.gone_at is null
      and (n.item_id = any(:items) or n.target_id = any(:items) or n.comment_id = any(:items))
    returning n.user_id, n.id
    """
).bindparams(bindparam("owners", type_=ARRAY(PG_UUID)), bindparam("items", type_=ARRAY(PG_UUID)))


class Held(Struct, frozen=True):
    """An inbox that is held: the number of the change, and what its owner chose."""

    change: int
    choices: dict[Kind, ChoiceChange]


class KnownActor(Struct, frozen=True):
    """That somebody is counted in a notification already, and how that stands."""

    notification_id: UUID
    withdrawn: bool
    unseen: bool
    unread: bool


async def hold(db: Db, users: Collection[UUID]) -> dict[UUID, Held]:
    """Hold inboxes until the end of the transaction, and begin a change of each."""
    rows = await db.execute(_HOLD, {"users": sorted(users)})
    return {
        row.user_id: Held(row.change, msgspec.convert(row.choices, dict[Kind, ChoiceChange]))
        for row in rows
    }


async def known(
    db: Db, asked: Sequence[tuple[UUID, str, UUID]]
) -> dict[tuple[UUID, str, UUID], list[KnownActor]]:
    """Find in which notifications actors are counted already, by (owner, group, actor)."""
    users, groups, actors = ([each[n] for each in asked] for n in range(3))
    found: dict[tuple[UUID, str, UUID], list[KnownActor]] = {}
    for row in await db.execute(_KNOWN, {"users": users, "groups": groups, "actors": actors}):
        key = (row.user_id, row.group_key, row.actor_id)
        each = KnownActor(row.notification_id, row.withdrawn, row.unseen, row.unread)
        found.setdefault(key, []).append(each)
    return found


async def grow(
    db: Db, notices: Sequence[Notice], *, fresh: int, quiet: bool, change: int, now: datetime
) -> UUID:
    """Write what is told of one group, the latest last; `fresh` of its actors are not counted yet.

    An actor stands once in `notices`.
    """
    last = notices[-1]
    given = {"user_id": last.user_id, "group_key": last.group_key, "change": change, "now": now}
    more = {
        "kind": last.kind,
        "target_id": last.target_id,
        "item_id": last.item_id,
        "comment_id": last.comment_id,
        "excerpt": last.excerpt,
        "id": new_id(),
        "quiet": quiet,
        "more": len(notices),
    }
    row = (await db.execute(_GROUP, {**given, **more})).one()
    actors = [each.actor_id for each in notices if each.actor_id]
    before = row.version - len(notices)
    if actors:
        placed = {"id": row.id, "before": before, "actors": actors}
        await db.execute(_ACTORS, {"user_id": last.user_id, "group_key": last.group_key, **placed})
        await count(db, last.user_id, row.id, more=fresh, change=change, now=now)
    written: UUID = row.id
    return written


async def count(
    db: Db, user_id: UUID, notification_id: UUID, *, more: int, change: int, now: datetime
) -> bool:
    """Count so many actors more, or fewer, and name the newest; says whether nobody is left."""
    given = {"user_id": user_id, "id": notification_id, "more": more, "change": change}
    given |= {"most": MOST_ACTORS, "now": now}
    return bool((await db.execute(_COUNT, given)).scalar_one())


async def withdraw(
    db: Db, notice: Notice, actors: Sequence[UUID], notification_id: UUID, *, withdrawn: bool
) -> None:
    """Count actors of a notification no longer, or again."""
    given = {"user_id": notice.user_id, "group_key": notice.group_key, "id": notification_id}
    await db.execute(_WITHDRAW, {**given, "actors": list(actors), "withdrawn": withdrawn})


async def read(db: Db, user_id: UUID, up_to: UUID | None, change: int, now: datetime) -> int:
    """Mark as read all, or those that changed no later than one of them; says how many."""
    given = {"user_id": user_id, "up_to": up_to, "change": change, "now": now}
    return (await db.execute(_READ, given)).rowcount


async def seen(db: Db, user_id: UUID, change: int) -> int:
    """Mark everything as seen; says how many were not."""
    return (await db.execute(_SEEN, {"user_id": user_id, "change": change})).rowcount


async def owners_of(db: Db, items: Collection[UUID]) -> list[UUID]:
    """Find whose inboxes hold something about items."""
    return list((await db.execute(_RETRACTED_OWNERS, {"items": list(items)})).scalars())


async def retract(
    db: Db, owners: Collection[UUID], items: Collection[UUID], now: datetime
) -> dict[UUID, list[UUID]]:
    """Take what is about items out of inboxes that are held; gives what is gone, by owner."""
    gone: dict[UUID, list[UUID]] = {}
    values = {"owners": list(owners), "items": list(items), "now": now}
    for row in await db.execute(_RETRACT, values):
        gone.setdefault(row.user_id, []).append(row.id)
    return gone
