"""The counters and the deltas that are folded into them: their SQL; the tables are in `store`."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.engagement.model import FIELDS, MOST_OPTIONS, Counts, Field, ItemCounts, Moved, Votes
from server.engagement.store import NUMBERS, SUMS, VOTE_SUMS, counter_delta
from server.kernel.database import Db

_COUNTS = text(
    f"select item_id, {', '.join(FIELDS)}, version"  # noqa: S608 - our own column names
    " from engage.item_counters where item_id = any(:ids)"
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID)))


async def counts(db: Db, ids: Collection[UUID]) -> dict[UUID, Counts]:
    """Read the folded counters of items; an item without any is left out."""
    if not ids:
        return {}
    rows = await db.execute(_COUNTS, {"ids": list(ids)})
    return {
        row.item_id: Counts(**{field: getattr(row, field) for field in FIELDS}, version=row.version)
        for row in rows
    }


async def add_deltas(db: Db, changes: Collection[tuple[UUID, Field, int]]) -> None:
    """Note changes of counters, to be folded."""
    if changes:
        await db.execute(
            counter_delta.insert(),
            [
                {"item_id": item_id, "field": NUMBERS[field], "change": change}
                for item_id, field, change in changes
            ],
        )


# Deleting the deltas and adding them up are one statement: a crash leaves both done or neither.
# Rows that another folder holds are skipped, so two at once share the work and block nobody.
_VOTES = tuple(f"votes_{option}" for option in range(MOST_OPTIONS))
_FOLD = text(
    f"""
    with due as (
      select waiting.id from engage.counter_delta waiting
      where not exists (
        select from unnest(cast(:cooling as uuid[])) as resting (item_id)
        where resting.item_id = waiting.item_id)
      order by waiting.id limit :limit
      for update skip locked),
    taken as (
      delete from engage.counter_delta where id in (select id from due)
      returning item_id, field, change),
    summed as (
      select item_id, {SUMS} from taken where field < {len(FIELDS)}
      group by item_id order by item_id),
    counted as (
      select item_id, {VOTE_SUMS} from taken where field >= {len(FIELDS)}
      group by item_id order by item_id),
    items as (
      insert into engage.item_counters as kept (item_id, {", ".join(FIELDS)}, version)
      select item_id, {", ".join(FIELDS)}, 1 from summed
      on conflict (item_id) do update set
        {", ".join(f"{field} = kept.{field} + excluded.{field}" for field in FIELDS)},
        version = kept.version + 1
      returning item_id, version, {", ".join(FIELDS)}),
    polls as (
      insert into engage.poll_counters as kept (poll_id, {", ".join(_VOTES)}, version)
      select item_id, {", ".join(_VOTES)}, 1 from counted
      on conflict (poll_id) do update set
        {", ".join(f"{votes} = kept.{votes} + excluded.{votes}" for votes in _VOTES)},
        version = kept.version + 1
      returning poll_id, version, {", ".join(_VOTES)})
    select false as of_poll, items.* from items
    union all
    select true, polls.*, 0 from polls
    """  # noqa: S608 - our own column names
).bindparams(bindparam("cooling", type_=ARRAY(PG_UUID)))


async def fold(db: Db, cooling: Collection[UUID], limit: int) -> Moved:
    """Add waiting deltas to their counters; gives the counters that moved."""
    rows = (await db.execute(_FOLD, {"cooling": list(cooling), "limit": limit})).all()
    return Moved(
        items=[ItemCounts(*row[1:]) for row in rows if not row.of_poll],
        polls=[Votes(row[1], tuple(row[3:-1]), row[2]) for row in rows if row.of_poll],
    )


# Without truncating, which would lock everybody out for a moment.
_SWEEP = text("vacuum (truncate off, skip_locked) engage.counter_delta")


async def sweep(db: Db) -> None:
    """Give the room of folded deltas back; on a connection whose statements stand alone."""
    await db.execute(_SWEEP)


# What the counters will be once all is folded, in the snapshot of this one statement.
_KNOWN = text(
    f"""
    select wanted.item_id,
      {
        ", ".join(
            f"coalesce(max(kept.{field}), 0)"
            f" + coalesce(sum(change) filter (where field = {number}), 0)::bigint as {field}"
            for field, number in NUMBERS.items()
        )
    },
      (select count(*) from engage.likes l where l.item_id = wanted.item_id) as true_likes,
      (select count(*) from engage.bookmarks b where b.item_id = wanted.item_id) as true_bookmarks,
      (select count(*) from engage.reposts r where r.item_id = wanted.item_id) as true_reposts
    from unnest(cast(:ids as uuid[])) as wanted (item_id)
    left join engage.item_counters kept on kept.item_id = wanted.item_id
    left join engage.counter_delta pending on pending.item_id = wanted.item_id
    group by wanted.item_id
    """  # noqa: S608 - our own column names
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID)))


# By the key's own index, each half from its end or its middle.
_SAMPLE = text(
    """
    (select item_id from engage.item_counters order by item_id desc limit :most)
    union
    (select item_id from engage.item_counters where item_id >= :start order by item_id limit :most)
    """
)


async def sample(db: Db, start: UUID, most: int) -> list[UUID]:
    """Choose items that have counters: the newest, and as many from an id on."""
    return list((await db.execute(_SAMPLE, {"start": start, "most": most})).scalars())


class Recount(Struct, frozen=True):
    """What an item's counters come to, and what its edges say they should."""

    item_id: UUID
    known: Mapping[Field, int]
    edges: Mapping[Field, int]


async def recount(db: Db, ids: Collection[UUID]) -> list[Recount]:
    """Compare counters, with what is not folded yet, with the edges they are folded from."""
    rows = await db.execute(_KNOWN, {"ids": list(ids)})
    return [_recounted(row) for row in rows]


def _recounted(row: Any) -> Recount:
    return Recount(
        item_id=row.item_id,
        known={field: getattr(row, field) for field in FIELDS},
        edges={
            "likes": row.true_likes,
            "bookmarks": row.true_bookmarks,
            "reposts": row.true_reposts,
        },
    )
