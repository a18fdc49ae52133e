"""The edges, the deltas, the counters and the impressions, and their SQL."""

from collections.abc import Collection
from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    TextClause,
    bindparam,
    func,
    literal,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.engagement.events import EngagementRecorded
from server.engagement.model import FIELDS, MOST_OPTIONS, Counts, Done, Edge, Field, Flags
from server.kernel import outbox
from server.kernel.database import Db, metadata

# Edges carry no foreign key to items: an old month is dropped in one piece, edges before items,
# and every insert looks for a live item in the same statement.
likes, bookmarks, reposts = (
    Table(
        name,
        metadata,
        Column("item_id", PG_UUID, primary_key=True),
        Column("user_id", PG_UUID, primary_key=True),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Index(f"ix_{name}_user", "user_id", text("created_at desc"), "item_id"),
        schema="engage",
        postgresql_partition_by="RANGE (item_id)",
    )
    for name in ("likes", "bookmarks", "reposts")
)

# A vote is an edge too: its poll is the item that asks.
poll_votes = Table(
    "poll_votes",
    metadata,
    Column("poll_id", PG_UUID, primary_key=True),
    Column("user_id", PG_UUID, primary_key=True),
    Column("option", SmallInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("option between 0 and 3", name="option"),
    Index("ix_poll_votes_user", "user_id"),
    schema="engage",
    postgresql_partition_by="RANGE (poll_id)",
)

counter_delta = Table(
    "counter_delta",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("item_id", PG_UUID, nullable=False),
    # The position in FIELDS; behind them, the votes for each option of a poll.
    Column("field", SmallInteger, nullable=False),
    Column("change", Integer, nullable=False),
    CheckConstraint("field between 0 and 8", name="field"),
    # Whoever acts sees what is not folded yet of this one item.
    Index(None, "item_id"),
    schema="engage",
)

# No index on any count: an update then stays in its page (HOT), which is most of its cost.
item_counters = Table(
    "item_counters",
    metadata,
    Column("item_id", PG_UUID, primary_key=True),
    *(Column(field, BigInteger, nullable=False, server_default="0") for field in FIELDS),
    Column("version", BigInteger, nullable=False, server_default="0"),
    schema="engage",
    postgresql_with={"fillfactor": 70},
)

poll_counters = Table(
    "poll_counters",
    metadata,
    Column("poll_id", PG_UUID, primary_key=True),
    *(
        Column(f"votes_{option}", BigInteger, nullable=False, server_default="0")
        for option in range(MOST_OPTIONS)
    ),
    Column("version", BigInteger, nullable=False, server_default="0"),
    schema="engage",
    postgresql_with={"fillfactor": 70},
)

impressions = Table(
    "impressions",
    metadata,
    Column("session_id", PG_UUID, primary_key=True),
    Column("item_id", PG_UUID, primary_key=True),
    Column("user_id", PG_UUID),
    Column("feed", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # For the sweep that forgets: each row is in one of the two.
    Index("ix_impressions_visitors", "seen_at", postgresql_where=text("user_id is null")),
    Index("ix_impressions_readers", "seen_at", postgresql_where=text("user_id is not null")),
    schema="engage",
)


TABLES: dict[Edge, Literal["likes", "bookmarks", "reposts"]] = {
    "like": "likes",
    "bookmark": "bookmarks",
    "repost": "reposts",
}
_EDGES = {"like": likes, "bookmark": bookmarks, "repost": reposts}
NUMBERS: dict[Field, int] = {field: number for number, field in enumerate(FIELDS)}
SUMS = ", ".join(
    f"coalesce(sum(change) filter (where field = {number}), 0)::bigint as {field}"
    for field, number in NUMBERS.items()
)

VOTE_SUMS = ", ".join(
    f"coalesce(sum(change) filter (where field = {len(FIELDS) + option}), 0)::bigint"
    f" as votes_{option}"
    for option in range(MOST_OPTIONS)
)

# One statement, so one round trip: the edge, its delta and its event are there together or not at
# all, and a repeated request finds the edge and leaves no second delta. The counters come from the
# same snapshot, with what is not folded yet; what this statement itself does is added by `act`.
_ACT = """
with target as (
  select id from content.items item where id = :item_id and state = 'live'{reachable}),
edge as ({edge}),
delta as (
  insert into engage.counter_delta (item_id, field, change)
  select item_id, {number}, {change} from edge),
told as (
  insert into ops.outbox (id, topic, key, payload)
  select :event_id, :event_topic, :event_key, cast(:event_payload as jsonb) from edge)
select
  exists (select from target) as found,
  exists (select from edge) as changed,
  exists (select from engage.likes where item_id = :item_id and user_id = :user_id) as liked,
  exists (select from engage.bookmarks where item_id = :item_id and user_id = :user_id)
    as bookmarked,
  exists (select from engage.reposts where item_id = :item_id and user_id = :user_id)
    as reposted,
  {fields},
  coalesce(kept.version, 0) as version
from (select {sums} from engage.counter_delta where item_id = :item_id) as pending
left join engage.item_counters kept on kept.item_id = :item_id
"""
_FIELDS = ", ".join(f"coalesce(kept.{field}, 0) + pending.{field} as {field}" for field in FIELDS)
_ADD = """
  insert into engage.{table} (item_id, user_id) select id, :user_id from target
  on conflict do nothing returning item_id"""
# Who has blocked somebody is not there for them, nor they for who blocked. To take something back
# is always possible.
_REACHABLE = """
    and not exists (select from content.blocks
                    where user_id = item.author_id and target_id = :user_id)
    and not exists (select from content.blocks
                    where user_id = :user_id and target_id = item.author_id)"""
_REMOVE = """
  delete from engage.{table} where item_id in (select id from target) and user_id = :user_id
  returning item_id"""


def _act_statement(edge: Edge, *, present: bool) -> TextClause:
    table = TABLES[edge]
    number = FIELDS.index(TABLES[edge])
    change = 1 if present else -1
    return text(
        _ACT.format(
            edge=(_ADD if present else _REMOVE).format(table=table),
            reachable=_REACHABLE if present else "",
            number=number,
            change=change,
            fields=_FIELDS,
            sums=SUMS,
        )
    )


_ACTS = {
    (edge, present): _act_statement(edge, present=present)
    for edge in TABLES
    for present in (True, False)
}


class Acted(Struct, frozen=True):
    """How an item stood just before an act, and whether the act changed anything."""

    found: bool
    changed: bool
    liked: bool
    bookmarked: bool
    reposted: bool
    counts: Counts


def key_of(event: EngagementRecorded) -> str:
    """Of one person and one item the events stay in order; nobody else's wait for them."""
    return f"{event.item_id}/{event.user_id}"


async def act(db: Db, edge: Edge, *, present: bool, event: EngagementRecorded) -> Acted:
    """Make an edge be there or not, with its delta and its event, if the item is live."""
    columns = outbox.columns(event, key_of(event))
    given = {"item_id": event.item_id, "user_id": event.user_id, **columns}
    row = (await db.execute(_ACTS[edge, present], given)).one()
    return Acted(
        found=row.found,
        changed=row.changed,
        liked=row.liked,
        bookmarked=row.bookmarked,
        reposted=row.reposted,
        counts=Counts(**{field: getattr(row, field) for field in FIELDS}, version=row.version),
    )


_FLAGS = text(
    " union all ".join(
        f"select item_id, '{edge}' as edge from engage.{table}"  # noqa: S608 - our own names
        " where user_id = :user_id and item_id = any(:ids)"
        for edge, table in TABLES.items()
    )
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID)))


async def flags(db: Db, user_id: UUID, ids: Collection[UUID]) -> Flags:
    """Read which of some items a person likes, has bookmarked, has reposted."""
    if not ids:
        return Flags()
    rows = (await db.execute(_FLAGS, {"user_id": user_id, "ids": list(ids)})).all()
    of: dict[str, list[UUID]] = {edge: [] for edge in TABLES}
    for row in rows:
        of[row.edge].append(row.item_id)
    return Flags(frozenset(of["like"]), frozenset(of["bookmark"]), frozenset(of["repost"]))


async def done_by(
    db: Db, edge: Edge, user_id: UUID, before: tuple[datetime, UUID] | None, limit: int
) -> list[Done]:
    """Read what somebody did, the last first."""
    table = _EDGES[edge]
    at = (table.c.created_at, table.c.item_id)
    statement = (
        select(table.c.item_id, table.c.user_id, table.c.created_at)
        .where(table.c.user_id == user_id)
        .order_by(table.c.created_at.desc(), table.c.item_id.desc())
        .limit(limit)
    )
    if before is not None:
        place = literal(before[0], DateTime(timezone=True)), literal(before[1], PG_UUID)
        statement = statement.where(tuple_(*at) < tuple_(*place))
    return [Done(*row) for row in await db.execute(statement)]


async def done_to(db: Db, edge: Edge, item_id: UUID, before: UUID | None, limit: int) -> list[Done]:
    """Read who did something to an item, by their ids: the last who came to Lumen first.

    Not by when they did it: that would cost every like of a hot item one more index.
    """
    table = _EDGES[edge]
    statement = (
        select(table.c.item_id, table.c.user_id, table.c.created_at)
        .where(table.c.item_id == item_id)
        .order_by(table.c.user_id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(table.c.user_id < before)
    return [Done(*row) for row in await db.execute(statement)]


_FORGET_SEEN = {
    whose: text(
        f"""
        delete from engage.impressions where ctid = any(array(
          select ctid from engage.impressions
          where {condition} and seen_at < :before order by seen_at limit :most))
        """  # noqa: S608 - of constants
    )
    for whose, condition in (
        ("visitors", "user_id is null"),
        ("readers", "user_id is not null"),
    )
}


async def forget_seen(
    db: Db, whose: Literal["visitors", "readers"], before: datetime, most: int
) -> int:
    """Remove some impressions from before a moment, the oldest first; says how many."""
    return (await db.execute(_FORGET_SEEN[whose], {"before": before, "most": most})).rowcount


async def forget(db: Db, ids: Collection[UUID]) -> None:
    """Remove all that was done to items, with its counters; for items that are removed whole."""
    for table in (likes, bookmarks, reposts, counter_delta, item_counters, impressions):
        await db.execute(table.delete().where(table.c.item_id.in_(ids)))
    for table in (poll_votes, poll_counters):
        await db.execute(table.delete().where(table.c.poll_id.in_(ids)))
