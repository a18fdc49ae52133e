"""What somebody did who is gone for good: it goes too, a batch in each transaction; its SQL."""

from uuid import UUID

from sqlalchemy import TextClause, text

from server.engagement import store
from server.engagement.events import EngagementRecorded
from server.engagement.model import FIELDS, Edge
from server.engagement.store import TABLES
from server.kernel import outbox
from server.kernel.database import Db

BATCH = 200

_TAKEN_BACK = {"like": "unlike", "bookmark": "unbookmark", "repost": "unrepost"}


def _edges(edge: Edge) -> TextClause:
    # As with an edge that its owner takes back, but that the item need not be live any more.
    table = TABLES[edge]
    return text(
        f"""
        with gone as (
          delete from engage.{table} where user_id = :user_id and item_id in (
            select item_id from engage.{table} where user_id = :user_id
            order by item_id limit {BATCH} for update)
          returning item_id),
        delta as (
          insert into engage.counter_delta (item_id, field, change)
          select item_id, {FIELDS.index(table)}, -1 from gone)
        select item_id from gone
        """  # noqa: S608 - our own names
    )


_EDGES: dict[Edge, TextClause] = {edge: _edges(edge) for edge in TABLES}
_VOTES = text(
    f"""
    with gone as (
      delete from engage.poll_votes where user_id = :user_id and poll_id in (
        select poll_id from engage.poll_votes where user_id = :user_id
        order by poll_id limit {BATCH} for update)
      returning poll_id, option),
    delta as (
      insert into engage.counter_delta (item_id, field, change)
      select poll_id, {len(FIELDS)} + option, -1 from gone)
    select poll_id from gone
    """  # noqa: S608 - our own names
)


async def take_back(db: Db, user_id: UUID) -> bool:
    """Remove a batch of what a person did, with deltas, and events of edges.

    False when none is left.
    """
    more = False
    for edge, statement in _EDGES.items():
        ids = list((await db.execute(statement, {"user_id": user_id})).scalars())
        more |= len(ids) == BATCH
        for item_id in ids:
            event = EngagementRecorded(
                action=_TAKEN_BACK[edge],  # type: ignore[arg-type]
                item_id=item_id,
                user_id=user_id,
            )
            await outbox.emit(db, event, key=store.key_of(event))
    polls = list((await db.execute(_VOTES, {"user_id": user_id})).scalars())
    return more or len(polls) == BATCH
