"""Events that leave with the transaction that made them true, at least once.

`emit` writes a row beside the change. The relay, in the worker group, copies it to a stream, from
which groups of reactions learn that there is news. A group's effect in the database commits with
its mark in the inbox, so it happens once however often it is tried. A row stays until every group
that waits for its topic has taken it.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.kernel.database import Db, metadata
from server.kernel.ids import new_id
from server.kernel.services import Services

outbox = Table(
    "outbox",
    metadata,
    Column("id", PG_UUID, primary_key=True),
    # Given when the row is written, behind any lock that its change waited for: of two changes
    # that exclude each other, the later one has the greater number. An id is made before.
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    Column("topic", Text, nullable=False),
    # Rows of one key are delivered in order.
    Column("key", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("relayed_at", DateTime(timezone=True)),
    Index("ix_outbox_unrelayed", "seq", postgresql_where=text("relayed_at is null")),
    Index("ix_outbox_key", "key", "seq"),
    schema="ops",
)

inbox = Table(
    "inbox",
    metadata,
    Column("event_id", PG_UUID, primary_key=True),
    # The group that has taken the event.
    Column("consumer", Text, primary_key=True),
    Column("taken_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    schema="ops",
)

# What a group could not take yet. Its key waits behind it, until it is taken or parked.
setbacks = Table(
    "setbacks",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("event_id", PG_UUID, primary_key=True),
    Column("key", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", DateTime(timezone=True), nullable=False),
    Column("error", Text, nullable=False),
    # No attempt could do it: kept for a person to see, out of the others' way.
    Column("parked_at", DateTime(timezone=True)),
    Index("ix_setbacks_key", "consumer", "key"),
    schema="ops",
)


class Event(Struct, frozen=True):
    """Something that happened; a subclass names its topic, as `post.created`, and its facts."""

    topic: ClassVar[str]


class Reaction(Struct, frozen=True):
    """What a consumer does when it is told of a topic.

    `run` gets the services, the open transaction and the event; with `in_batches`, a list of
    events in their order. What it writes happens once; what it pushes may be repeated, so a push
    must be harmless twice.
    """

    # `group.what`: the reactions of one group take each event together.
    consumer: str
    event: type[Event]
    run: Callable[[Services, Db, Any], Awaitable[None]]
    in_batches: bool = False

    @property
    def group(self) -> str:
        """The consumer group that it belongs to."""
        return self.consumer.partition(".")[0]


async def emit(db: Db, event: Event, *, key: UUID | str) -> UUID:
    """Write an event into the transaction; it is told to others only if that commits."""
    event_id = new_id()
    await db.execute(
        outbox.insert().values(
            id=event_id,
            topic=event.topic,
            key=str(key),
            payload=msgspec.to_builtins(event),
        )
    )
    return event_id


def columns(event: Event, key: UUID | str) -> dict[str, Any]:
    """Give an event's row as parameters, for a statement that writes it with the change itself.

    They are `event_id`, `event_topic`, `event_key`, and `event_payload` as JSON text.
    """
    return {
        "event_id": new_id(),
        "event_topic": event.topic,
        "event_key": str(key),
        "event_payload": msgspec.json.encode(event).decode(),
    }


def by_topic(reactions: Sequence[Reaction]) -> dict[str, list[Reaction]]:
    """Group reactions by the topic they wait for."""
    grouped: dict[str, list[Reaction]] = {}
    for reaction in reactions:
        grouped.setdefault(reaction.event.topic, []).append(reaction)
    return grouped
