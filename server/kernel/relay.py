"""Takes events out of the outbox and to their consumers, in order for each key.

One relay runs at a time, by lease; a second one would do no harm, for each reaction locks its row
and marks the inbox, so that its effect happens once. A row that fails is tried again with growing
pauses, its key waiting behind it, and is parked after `ATTEMPTS`, where an operator sees it. While
a store or the bus is away, a row waits however long that takes.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import InterfaceError, OperationalError

from realtime import PublishFailed
from server.kernel.database import Db
from server.kernel.outbox import Event, Reaction
from server.kernel.services import Services

BATCH = 200
ATTEMPTS = 12
AT_ONCE = 8
POLL_SECONDS = 0.25
# What says that a store or the bus is away, and nothing about the event.
STORE_ERRORS = (OSError, TimeoutError, RedisError, PublishFailed, OperationalError, InterfaceError)
STORE_PAUSE = timedelta(seconds=1)

# Only the oldest unparked row of a key is taken, and only when its time has come: so a key keeps
# its order, and a row that waits for its next attempt holds nobody else's up.
_PENDING = text(
    """
    select o.id, o.topic, o.key, o.payload, o.attempts, o.created_at
    from ops.outbox o
    where o.parked_at is null and o.next_attempt_at <= now()
      and not exists (
        select 1 from ops.outbox earlier
        where earlier.key = o.key and earlier.id < o.id
          and earlier.parked_at is null and earlier.next_attempt_at > now())
    order by o.id
    limit :batch
    """
)
_LOCK = text("select 1 from ops.outbox where id = :id for update")
_TAKE = text(
    """
    insert into ops.inbox (consumer, event_id) values (:consumer, :event_id)
    on conflict do nothing returning 1
    """
)
# The marks go with the row: nobody can take the event again once it is gone.
_DONE = text(
    """
    with gone as (delete from ops.outbox where id = any(:ids) returning id)
    delete from ops.inbox using gone where event_id = gone.id
    """
)
# A store that is away says nothing about the event: however long it takes, nothing is counted.
_WAITS = text(
    "update ops.outbox set error = :error, next_attempt_at = now() + :pause where id = :id"
)
_FAILED = text(
    """
    update ops.outbox
    set attempts = attempts + 1, error = :error, next_attempt_at = now() + :pause,
        parked_at = case when attempts + 1 >= :most then now() end
    where id = :id
    """
)
_LAG = text(
    """
    select count(*) filter (where parked_at is null),
           count(*) filter (where parked_at is not null),
           coalesce(extract(epoch from now() - min(created_at) filter (where parked_at is null)), 0)
    from ops.outbox
    """
)
_PARKED = text(
    """
    select id, topic, error, parked_at from ops.outbox
    where parked_at is not null order by id desc limit :most
    """
)
_REVIVE = text(
    """
    update ops.outbox set parked_at = null, attempts = 0, next_attempt_at = now()
    where parked_at is not null returning id
    """
)


class Lag(Struct, frozen=True):
    """How the outbox stands: rows that wait, rows that were parked, the age of the oldest."""

    waiting: int
    parked: int
    oldest_seconds: float


class Relay:
    """Delivers what is in the outbox."""

    def __init__(self, services: Services, reactions: Mapping[str, Sequence[Reaction]]) -> None:
        self._services = services
        self._reactions = reactions

    async def run(self, heard: asyncio.Event) -> None:
        """Deliver for as long as the task lives, woken by the bell and by the poll."""
        while True:
            heard.clear()
            if await self.deliver() == 0:
                await wait_for(heard, POLL_SECONDS)

    async def deliver(self) -> int:
        """Deliver one batch, keys side by side, and say how many rows were done with."""
        async with self._services.database.read() as db:
            rows = (await db.execute(_PENDING, {"batch": BATCH})).all()
        unheard = [row.id for row in rows if not self._reactions.get(row.topic)]
        if unheard:
            async with self._services.database.begin() as db:
                await db.execute(_DONE, {"ids": unheard})
        by_key: dict[str, list[Any]] = {}
        for row in rows:
            if self._reactions.get(row.topic):
                by_key.setdefault(row.key, []).append(row)
        width = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._key(rows, width)) for rows in by_key.values()]
        return len(unheard) + sum(task.result() for task in tasks)

    async def _key(self, rows: Sequence[Any], width: asyncio.Semaphore) -> int:
        """Deliver the rows of one key in order, up to the first that fails."""
        async with width:
            for done, row in enumerate(rows):
                if not await self._row(row):
                    return done
        return len(rows)

    async def _row(self, row: Any) -> bool:
        """Tell every consumer; what one of them cannot take keeps it from no other."""
        reactions = self._reactions[row.topic]
        failures: list[Exception] = []
        for reaction in reactions:
            last = reaction is reactions[-1] and not failures
            try:
                await self._tell(reaction, row, last=last)
            except Exception as error:  # noqa: BLE001 - a supervisor: one bad event stops no other
                failures.append(error)
        if failures:
            await self._put_off(row, failures)
        return not failures

    async def _tell(self, reaction: Reaction, row: Any, *, last: bool) -> None:
        event: Event = msgspec.convert(row.payload, reaction.event)
        async with self._services.write() as db:
            if (await db.execute(_LOCK, {"id": row.id})).first() is None:
                return
            mark = {"consumer": reaction.consumer, "event_id": row.id}
            if (await db.execute(_TAKE, mark)).first() is not None:
                await reaction.run(self._services, db, event)
            if last:
                await db.execute(_DONE, {"ids": [row.id]})

    async def _put_off(self, row: Any, failures: Sequence[Exception]) -> None:
        said = "; ".join(f"{type(error).__name__}: {error}"[:500] for error in failures)
        statement = _WAITS
        more: dict[str, Any] = {"pause": STORE_PAUSE}
        if not all(isinstance(error, STORE_ERRORS) for error in failures):
            pause = timedelta(seconds=min(300.0, 0.2 * 2**row.attempts))
            statement, more = _FAILED, {"pause": pause, "most": ATTEMPTS}
        async with self._services.database.begin() as db:
            await db.execute(statement, {"id": row.id, "error": said, **more})


class Parked(Struct, frozen=True):
    """An event that no attempt could deliver."""

    id: UUID
    topic: str
    error: str
    at: datetime


async def parked(db: Db, most: int = 100) -> list[Parked]:
    """List events that no attempt could deliver, the latest first."""
    rows = await db.execute(_PARKED, {"most": most})
    return [Parked(row.id, row.topic, row.error or "", row.parked_at) for row in rows]


async def revive(db: Db) -> int:
    """Have every parked event tried again; says how many."""
    return len((await db.execute(_REVIVE)).all())


async def lag(db: Db) -> Lag:
    """Measure the outbox."""
    row = (await db.execute(_LAG)).one()
    return Lag(waiting=row[0], parked=row[1], oldest_seconds=float(row[2]))


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, but no longer than some seconds."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
