"""What an operator sees of events: how far each group is behind, and what it could not take."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.kernel.database import Db
from server.kernel.delivery import Wanted

MOST_LISTED = 100

_LAG = text(
    """
    select count(*), coalesce(extract(epoch from now() - min(created_at)), 0),
           (select count(*) from ops.setbacks where parked_at is not null)
    from ops.outbox o
    where not exists (
      select from ops.setbacks s where s.event_id = o.id and s.parked_at is not null)
    """
)
_LAGS = text(
    """
    select wanted.name, count(o.id) filter (where s.event_id is null),
           coalesce(extract(epoch from now()
             - min(o.created_at) filter (where s.event_id is null)), 0),
           count(s.event_id)
    from jsonb_each(cast(:groups as jsonb)) as topics(topic, names)
    cross join jsonb_array_elements_text(topics.names) as wanted(name)
    left join ops.outbox o on o.topic = topics.topic and not exists (
      select from ops.inbox i where i.event_id = o.id and i.consumer = wanted.name)
    left join ops.setbacks s
      on s.event_id = o.id and s.consumer = wanted.name and s.parked_at is not null
    group by wanted.name
    """
)
_PARKED = text(
    """
    select s.event_id, s.consumer, o.topic, s.key, s.attempts, s.error, s.parked_at
    from ops.setbacks s join ops.outbox o on o.id = s.event_id
    where s.parked_at is not null order by s.parked_at desc limit :most
    """
)
_REVIVE = text(
    """
    update ops.setbacks set parked_at = null, attempts = 0, next_attempt_at = now()
    where parked_at is not null and (cast(:all as boolean) or event_id = any(:ids))
    returning event_id
    """
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID)))
# Dropped is as good as taken: the group has done with it, and the row may go.
_DROP = text(
    """
    with dropped as (
      delete from ops.setbacks
      where parked_at is not null and event_id = any(:ids) returning event_id, consumer),
    marked as (
      insert into ops.inbox (event_id, consumer) select event_id, consumer from dropped
      on conflict do nothing)
    select count(*) from dropped
    """
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID)))


class Lag(Struct, frozen=True):
    """How the outbox stands: rows that wait, the age of the oldest, events that were parked."""

    waiting: int
    parked: int
    oldest_seconds: float


class GroupLag(Struct, frozen=True):
    """How far a group is behind."""

    group: str
    waiting: int
    oldest_seconds: float
    parked: int


class Parked(Struct, frozen=True):
    """An event that a group could not take, however often it was tried."""

    id: UUID
    group: str
    topic: str
    key: str
    attempts: int
    error: str
    at: datetime


async def lag(db: Db) -> Lag:
    """Measure the outbox."""
    row = (await db.execute(_LAG)).one()
    return Lag(waiting=row[0], oldest_seconds=float(row[1]), parked=row[2])


async def group_lags(db: Db, wanted: Wanted) -> list[GroupLag]:
    """Measure how far each group is behind."""
    rows = (await db.execute(_LAGS, {"groups": wanted.json})).all()
    return [GroupLag(row[0], row[1], float(row[2]), row[3]) for row in rows]


async def parked(db: Db, most: int = MOST_LISTED) -> list[Parked]:
    """List events that no attempt could bring to a group, the latest first."""
    rows = await db.execute(_PARKED, {"most": most})
    return [Parked(*row) for row in rows]


async def revive(db: Db, ids: Collection[UUID] | None = None) -> int:
    """Have parked events tried again, all or some; says how many."""
    given = {"all": ids is None, "ids": list(ids or ())}
    return len((await db.execute(_REVIVE, given)).all())


async def drop(db: Db, ids: Collection[UUID]) -> int:
    """Give parked events up; says how many."""
    return int((await db.execute(_DROP, {"ids": list(ids)})).scalar_one())
