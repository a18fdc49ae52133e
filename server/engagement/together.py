"""What many do at the same moment, in one transaction: whoever asks is answered once it commits.

A process has one batch of acts under way; what is asked meanwhile goes with the next. A commit that
would serve one request then serves all that came while the one before it was being written, which
is what an item that everybody likes at once needs. An act comes to the same as by itself: the same
statement for many rows, with an edge, a delta and an event for each that changed something.
"""

import asyncio
from uuid import UUID

from sqlalchemy import TextClause, text

from server.engagement import actions, store
from server.engagement.actions import Act
from server.engagement.events import EngagementRecorded
from server.engagement.model import FIELDS, Counts, Edge, Standing
from server.engagement.store import SUMS, TABLES, Acted
from server.kernel import outbox
from server.kernel.database import Db
from server.kernel.problems import SignInFirst
from server.kernel.services import Services
from server.kernel.viewer import Viewer

MOST_AT_ONCE = 200

_SUMMED = ", ".join(f"coalesce(kept.{field}, 0) + pending.{field} as {field}" for field in FIELDS)
_ACTS = """
with given as (
  select * from unnest(
    cast(:items as uuid[]), cast(:users as uuid[]), cast(:events as uuid[]),
    cast(:keys as text[]), cast(:payloads as text[]))
  with ordinality as given (item_id, user_id, event_id, key, payload, n)),
target as (
  select given.n, given.item_id, given.user_id
  from given join content.items item on item.id = given.item_id and item.state = 'live'
  where true {reachable}),
edge as ({edge}),
delta as (
  insert into engage.counter_delta (item_id, field, change)
  select item_id, {number}, {sign} * count(*) from edge group by item_id order by item_id),
told as (
  insert into ops.outbox (id, topic, key, payload)
  select given.event_id, :topic, given.key, cast(given.payload as jsonb)
  from edge join given on given.item_id = edge.item_id and given.user_id = edge.user_id
  order by given.n),
standing as (
  select wanted.item_id, {summed}, coalesce(kept.version, 0) as version
  from (select distinct item_id from given) as wanted
  left join engage.item_counters kept on kept.item_id = wanted.item_id
  cross join lateral (
    select {sums} from engage.counter_delta waiting
    where waiting.item_id = wanted.item_id) as pending)
select
  target.n is not null as found, edge.item_id is not null as changed, {flags},
  {fields}, standing.version
from given
join standing on standing.item_id = given.item_id
left join target on target.n = given.n
left join edge on edge.item_id = given.item_id and edge.user_id = given.user_id
order by given.n
"""
# In one order, so that two processes with the same people wait for each other and never in a ring.
_ADD = """
  insert into engage.{table} (item_id, user_id)
  select item_id, user_id from target order by item_id, user_id
  on conflict do nothing returning item_id, user_id"""
_REMOVE = """
  delete from engage.{table} gone using target
  where gone.item_id = target.item_id and gone.user_id = target.user_id
  returning gone.item_id, gone.user_id"""
_REACHABLE = """
    and not exists (select from content.blocks
                    where user_id = item.author_id and target_id = given.user_id)
    and not exists (select from content.blocks
                    where user_id = given.user_id and target_id = item.author_id)"""
_FLAGS = ", ".join(
    f"exists (select from engage.{table} mine where mine.item_id = given.item_id"
    f" and mine.user_id = given.user_id) as {edge}"
    for edge, table in TABLES.items()
)


def _statement(edge: Edge, *, present: bool) -> TextClause:
    return text(
        _ACTS.format(
            edge=(_ADD if present else _REMOVE).format(table=TABLES[edge]),
            reachable=_REACHABLE if present else "",
            number=FIELDS.index(TABLES[edge]),
            sign=1 if present else -1,
            summed=_SUMMED,
            sums=SUMS,
            flags=_FLAGS,
            fields=", ".join(f"standing.{field}" for field in FIELDS),
        )
    )


_STATEMENTS = {
    (edge, present): _statement(edge, present=present)
    for edge in TABLES
    for present in (True, False)
}


class _Batch:
    """What is done by one statement: acts of one kind, of each person and item one."""

    def __init__(self, act: Act) -> None:
        self.act = act
        self.places: dict[tuple[UUID, UUID], int] = {}
        self.done: asyncio.Task[list[Acted]]

    def takes(self, place: tuple[UUID, UUID]) -> bool:
        return place not in self.places and len(self.places) < MOST_AT_ONCE


class Together:
    """The acts of one process that are under way."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._open: dict[Act, _Batch] = {}
        self._turn = asyncio.Lock()

    async def act(self, viewer: Viewer, item_id: UUID, act: Act) -> Standing:
        """Do it, and answer once it is committed."""
        if viewer.id is None:
            raise SignInFirst
        place = (item_id, viewer.id)
        batch = self._open.get(act)
        if batch is None or not batch.takes(place):
            batch = self._open[act] = _Batch(act)
            batch.done = asyncio.create_task(self._commit(batch))
        number = batch.places[place] = len(batch.places)
        # Shielded: whoever goes away takes nothing from the others.
        acted = await asyncio.shield(batch.done)
        return actions.standing(item_id, act, acted[number])

    async def _commit(self, batch: _Batch) -> list[Acted]:
        async with self._turn:
            if self._open.get(batch.act) is batch:
                del self._open[batch.act]
            async with self._services.write() as db:
                return await _act(db, batch)


async def _act(db: Db, batch: _Batch) -> list[Acted]:
    edge, _, present = actions.EDGES[batch.act]
    rows = [_columns(batch.act, item_id, user_id) for item_id, user_id in batch.places]
    given = {name: [row[name] for row in rows] for name in rows[0]}
    topic = EngagementRecorded.topic
    answer = await db.execute(_STATEMENTS[edge, present], {**given, "topic": topic})
    return [
        Acted(
            found=row.found,
            changed=row.changed,
            liked=row.like,
            bookmarked=row.bookmark,
            reposted=row.repost,
            counts=Counts(**{field: getattr(row, field) for field in FIELDS}, version=row.version),
        )
        for row in answer
    ]


def _columns(act: Act, item_id: UUID, user_id: UUID) -> dict[str, object]:
    event = EngagementRecorded(action=act, item_id=item_id, user_id=user_id)
    columns = outbox.columns(event, store.key_of(event))
    return {
        "items": item_id,
        "users": user_id,
        "events": columns["event_id"],
        "keys": columns["event_key"],
        "payloads": columns["event_payload"],
    }


async def act(services: Services, viewer: Viewer, item_id: UUID, act: Act) -> Standing:
    """Do something to an item together with whoever does so at the same moment.

    Raises:
        SignInFirst: the viewer is a visitor.
        NoSuchItem: there is no such item, it is gone, or its author and the viewer are blocked.

    """
    if services.joined is not None:
        # Part of a greater transaction, it cannot commit by itself.
        async with services.write() as db:
            return await actions.by_name(db, viewer, item_id, act)
    together: Together | None = services.parts.get(Together)
    if together is None:
        together = services.parts[Together] = Together(services)
    return await together.act(viewer, item_id, act)
