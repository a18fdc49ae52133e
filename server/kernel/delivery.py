"""Gives a group of reactions the events that it has not taken, in order for each key.

The truth of what a group has taken is in PostgreSQL: a delivery starts from keys of which there is
news, and takes what is open of them. So it is the same whether the news came by the stream, came
twice, came late or never came and was found by the sweep. Two that deliver to one group at once do
no harm: the mark in the inbox lets one of them through.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any
from uuid import UUID

import msgspec
from redis.exceptions import RedisError
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.types import Text

from realtime import PublishFailed
from server.kernel.database import Db
from server.kernel.logs import log
from server.kernel.outbox import Reaction
from server.kernel.services import Services

BATCH = 200
ATTEMPTS = 12
STORE_PAUSE_SECONDS = 1.0
SWEEP = 1_000
MOST_DONE = 5_000
# What says that a store or the bus is away, and nothing about the event.
STORE_ERRORS = (OSError, TimeoutError, RedisError, PublishFailed, OperationalError, InterfaceError)

_log = log("events")

# Open for a group: not in its inbox, not parked by it, and its key not waiting for another attempt.
_OPEN = """
  o.topic = any(:topics)
  and not exists (select from ops.inbox i where i.event_id = o.id and i.consumer = :group)
  and not exists (
    select from ops.setbacks s where s.consumer = :group and s.key = o.key
      and case when s.parked_at is null then s.next_attempt_at > now() else s.event_id = o.id end)
"""
# The lock keeps the row until this transaction ends: nobody can remove row and marks in between,
# and let the event be taken again by a statement that still saw the one and no more the other.
_TAKE = text(
    f"""
    with open as (
      select o.id, o.seq, o.topic, o.key, o.payload from ops.outbox o
      where o.key = any(:keys) and {_OPEN}
      order by o.seq limit :most for key share of o),
    taken as (
      insert into ops.inbox (event_id, consumer) select id, :group from open
      on conflict do nothing returning event_id),
    cured as (
      delete from ops.setbacks s using taken
      where s.consumer = :group and s.event_id = taken.event_id)
    select open.* from open join taken on taken.event_id = open.id order by open.seq
    """  # noqa: S608 - of constants
).bindparams(bindparam("keys", type_=ARRAY(Text)), bindparam("topics", type_=ARRAY(Text)))
_OPEN_KEYS = text(
    f"""
    select distinct key from (
      select o.key from ops.outbox o
      where {_OPEN} and o.created_at <= now() - make_interval(secs => :older)
      order by o.seq limit :most) found
    """  # noqa: S608 - of constants
).bindparams(bindparam("topics", type_=ARRAY(Text)))
_DONE_CONDITION = """
  not exists (
    select from jsonb_array_elements_text(cast(:groups as jsonb) -> o.topic) wanted
    where not exists (
      select from ops.inbox i where i.event_id = o.id and i.consumer = wanted))
"""
_DONE = text(
    f"""
    with gone as (
      delete from ops.outbox o where o.id = any(:ids) and {_DONE_CONDITION} returning o.id)
    delete from ops.inbox i using gone where i.event_id = gone.id
    """  # noqa: S608 - of constants
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID)))
_DONE_LATE = text(
    f"""
    with gone as (
      delete from ops.outbox o
      where o.created_at <= now() - make_interval(secs => :older) and {_DONE_CONDITION}
      returning o.id),
    unmarked as (delete from ops.inbox i using gone where i.event_id = gone.id)
    select count(*) from gone
    """  # noqa: S608 - of constants
)
_PUT_OFF = text(
    """
    insert into ops.setbacks as s (consumer, event_id, key, attempts, error, next_attempt_at)
    values (:group, :id, :key, :counted, :error, now() + make_interval(secs => :pause))
    on conflict (consumer, event_id) do update set
      attempts = s.attempts + :counted,
      error = excluded.error,
      next_attempt_at = now() + make_interval(secs => case when :counted = 0 then :pause
        else least(300, :pause * 2 ^ s.attempts) end),
      parked_at = case when s.attempts + :counted >= :most then now() end
    returning parked_at is not null
    """
)
FIRST_PAUSE_SECONDS = 0.2


class Failed(Exception):
    """A reaction raised; its cause says what."""


class Group:
    """The reactions of one consumer group, and the delivery of events to them."""

    def __init__(self, name: str, reactions: Sequence[Reaction], services: Services) -> None:
        self.name = name
        self._services = services
        self._reactions: dict[str, list[Reaction]] = {}
        for each in reactions:
            self._reactions.setdefault(each.event.topic, []).append(each)
        self.topics = sorted(self._reactions)

    async def open_keys(self, *, older: float = 0.0, most: int = SWEEP) -> list[str]:
        """Look up keys with events that the group may take now, the oldest events first."""
        given = {"group": self.name, "topics": self.topics, "older": older, "most": most}
        async with self._services.database.read() as db:
            return list((await db.execute(_OPEN_KEYS, given)).scalars())

    async def deliver(self, keys: Collection[str], done: "Done") -> int:
        """Have the group take what is open of some keys; says how many events it took.

        All together in one transaction, which is what makes a crowd of events cheap; when one of
        them fails, one after the other, so that it is known which.
        """
        taken = 0
        more = bool(keys)
        while more:
            try:
                rows = await self._take(keys, BATCH)
            except Failed:
                return taken + await self._apart(keys, done)
            done.add(rows)
            taken += len(rows)
            more = len(rows) == BATCH
        return taken

    async def _apart(self, keys: Iterable[str], done: "Done") -> int:
        taken = 0
        for key in sorted(keys):
            try:
                while rows := await self._take([key], 1):
                    done.add(rows)
                    taken += 1
            except Failed as failed:
                await self._put_off(failed)
        return taken

    async def _take(self, keys: Collection[str], most: int) -> Sequence[Any]:
        given = {"group": self.name, "keys": list(keys), "topics": self.topics, "most": most}
        async with self._services.database.begin() as db:
            rows = (await db.execute(_TAKE, given)).all()
            try:
                await self._react(db, rows)
            except Exception as error:
                # A supervisor: one event that cannot be taken stops no other.
                raise Failed(rows[0].id, rows[0].key) from error
        if rows:
            self._services.bell.ring()
        return rows

    async def _react(self, db: Db, rows: Sequence[Any]) -> None:
        for topic, run in groupby(rows, lambda row: row.topic):
            payloads = [row.payload for row in run]
            for reaction in self._reactions[topic]:
                events = [msgspec.convert(payload, reaction.event) for payload in payloads]
                if reaction.in_batches:
                    await reaction.run(self._services, db, events)
                    continue
                for event in events:
                    await reaction.run(self._services, db, event)

    async def _put_off(self, failed: Failed) -> None:
        event_id, key = failed.args
        error = failed.__cause__
        said = f"{type(error).__name__}: {error}"[:1000]
        # A store that is away says nothing about the event: however long it takes, none is counted.
        away = isinstance(error, STORE_ERRORS)
        given = {
            "group": self.name,
            "id": event_id,
            "key": key,
            "counted": 0 if away else 1,
            "error": said,
            "pause": STORE_PAUSE_SECONDS if away else FIRST_PAUSE_SECONDS,
            "most": ATTEMPTS,
        }
        async with self._services.database.begin() as db:
            parked = (await db.execute(_PUT_OFF, given)).scalar_one()
        if parked:
            _log.error("event_parked", group=self.name, event_id=str(event_id), error=said)


class Wanted:
    """Which groups wait for each topic: a row goes when all of them have taken it."""

    def __init__(self, topics: Mapping[str, Sequence[Reaction]]) -> None:
        self.groups: dict[str, list[Reaction]] = {}
        by_topic: dict[str, list[str]] = {}
        for topic, reactions in topics.items():
            for reaction in reactions:
                self.groups.setdefault(reaction.group, []).append(reaction)
            by_topic[topic] = sorted({reaction.group for reaction in reactions})
        self.by_topic = by_topic
        self.json = msgspec.json.encode(by_topic).decode()


class Done:
    """What groups have taken of late: rows that all of them have are removed, off their way.

    After the commits: of two groups that commit at once, one at least is looked at when the
    other's marks are there; what is left because a process ended here goes with the sweep.
    """

    def __init__(self, services: Services, wanted: Wanted) -> None:
        self._services = services
        self._wanted = wanted
        self._ids: set[UUID] = set()
        self._some = asyncio.Event()

    def add(self, rows: Sequence[Any]) -> None:
        """Note rows that a group has taken; past a bound they are left to the sweep."""
        if rows and len(self._ids) < MOST_DONE:
            self._ids.update(row.id for row in rows)
            self._some.set()

    async def run(self) -> None:
        """Remove rows for as long as the task lives; what comes meanwhile goes together."""
        while True:
            await self._some.wait()
            try:
                await self.remove()
            except STORE_ERRORS:
                await asyncio.sleep(STORE_PAUSE_SECONDS)

    async def remove(self) -> None:
        """Remove those of the rows noted that every group has taken by now."""
        self._some.clear()
        ids, self._ids = list(self._ids), set()
        if ids:
            async with self._services.database.read() as db:
                await db.execute(_DONE, {"ids": ids, "groups": self._wanted.json})


async def forget_done(services: Services, wanted: Wanted, *, older: float = 0.0) -> int:
    """Remove rows that every group has taken, or that no group waits for; says how many."""
    async with services.database.read() as db:
        given = {"groups": wanted.json, "older": older}
        return int((await db.execute(_DONE_LATE, given)).scalar_one())
