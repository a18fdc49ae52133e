"""The outbox in Redis: a stream for each family of topics, read by consumer groups.

A copy of what PostgreSQL holds, and nothing more: it carries the news that a key has events, and
it lets programs outside this code base follow what happens. A Redis that lost it is noticed by the
mark of its life, and everything that is not done with is copied again, in order.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from msgspec import Struct
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import ResponseError
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.kernel.delivery import Wanted
from server.kernel.services import Services

BATCH = 500
READ = 200
BLOCK_MILLISECONDS = 500
# Streams are cut behind the slowest group; past so many entries they are cut whoever is behind:
# our own groups then find the events in PostgreSQL.
MOST_ENTRIES = 100_000
LIFE = "{events}:life"

_UNRELAYED = text(
    """
    select id, topic, key, payload::text as payload from ops.outbox
    where relayed_at is null order by seq limit :most
    """
)
_RELAYED = text(
    """
    with unheard as (delete from ops.outbox where id = any(:unheard))
    update ops.outbox set relayed_at = now() where id = any(:ids)
    """
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID)), bindparam("unheard", type_=ARRAY(PG_UUID)))
_AGAIN = text("update ops.outbox set relayed_at = null where relayed_at is not null")


def stream_of(topic: str) -> str:
    """Name the stream of a topic: `post.created` and `post.deleted` share one, in order."""
    # The braces keep all of them on one node of a cluster, where one read can wait for several.
    return f"{{events}}:{topic.partition('.')[0]}"


class Entry(Struct, frozen=True):
    """An event as a stream carries it: where it stands, and which key has news."""

    stream: str
    id: bytes
    topic: str
    key: str


class Copier:
    """Copies the outbox to the streams, each row once for each life of Redis, or seldom twice."""

    def __init__(self, services: Services, wanted: Wanted) -> None:
        self._services = services
        self._wanted = wanted
        self._life: bytes | None = None

    async def copy(self) -> int:
        """Copy one batch and say how many rows it had."""
        if self._life is None:
            await self.begin()
        async with self._services.database.read() as db:
            rows = (await db.execute(_UNRELAYED, {"most": BATCH})).all()
        if not rows:
            return 0
        async with self._services.redis.pipeline(transaction=True) as pipe:
            pipe.get(LIFE)
            for row in rows:
                entry: dict[Any, Any] = {
                    "id": str(row.id),
                    "topic": row.topic,
                    "key": row.key,
                    "payload": row.payload,
                }
                pipe.xadd(stream_of(row.topic), entry, maxlen=MOST_ENTRIES)
            life, *_ = await pipe.execute()
        if life != self._life:
            # What was there is lost: what has just been written is written again, in its place.
            self._life = None
            return len(rows)
        heard = self._wanted.by_topic
        ids = {
            "ids": [row.id for row in rows if heard.get(row.topic)],
            "unheard": [row.id for row in rows if not heard.get(row.topic)],
        }
        async with self._services.database.read() as db:
            await db.execute(_RELAYED, ids)
        return len(rows)

    async def check(self) -> None:
        """Notice that Redis lost the streams, even while nothing is written to them."""
        if await self._services.redis.get(LIFE) != self._life:
            await self.begin()

    async def begin(self) -> None:
        """See to it that every group can read; where Redis holds nothing, start from the table."""
        redis = self._services.redis
        for group, reactions in self._wanted.groups.items():
            for stream in sorted({stream_of(each.event.topic) for each in reactions}):
                await _make_group(redis, stream, group)
        life: Any = await redis.get(LIFE)
        if life is None:
            async with self._services.database.begin() as db:
                await db.execute(_AGAIN)
            life = uuid4().bytes
            # Last: a process that ends before leaves it to the next one to do all of this.
            await redis.set(LIFE, life)
        self._life = life

    async def trim(self) -> None:
        """Cut what every group, ours or another's, has acknowledged."""
        for stream in sorted({stream_of(topic) for topic in self._wanted.by_topic}):
            first = await _first_needed(self._services.redis, stream)
            if first is not None:
                await self._services.redis.xtrim(stream, minid=first, approximate=False)


async def _make_group(redis: Redis, stream: str, group: str) -> None:
    try:
        await redis.xgroup_create(stream, group, id="0", mkstream=True)
    except ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):
            raise


async def _first_needed(redis: Redis, stream: str) -> bytes | None:
    """Find the oldest entry that a group has not acknowledged; None while nobody has read any."""
    needed: list[bytes] = []
    try:
        groups: Sequence[Mapping[str, Any]] = await redis.xinfo_groups(stream)
    except ResponseError:
        return None
    for group in groups:
        waits = await redis.xpending(stream, group["name"]) if group["pending"] else None
        needed.append(waits["min"] if waits and waits["min"] else group["last-delivered-id"])
    return min(needed, key=_place, default=None)


def _place(entry_id: bytes) -> tuple[int, int]:
    millis, _, number = entry_id.partition(b"-")
    return int(millis), int(number)


class Member:
    """One consumer of a group: reads what is new, and what a consumer before it left behind."""

    def __init__(self, redis: Redis, group: str, topics: Sequence[str], name: str) -> None:
        self._redis = redis
        self._group = group
        self._name = name
        self._streams = sorted({stream_of(topic) for topic in topics})

    async def inherit(self) -> list[Entry]:
        """Take over what others of the group were given and did not acknowledge; they are gone.

        Raises:
            ResponseError: the stream is lost.

        """
        left: list[Entry] = []
        for stream in self._streams:
            start: bytes | str = "0-0"
            while True:
                start, entries, *_ = await self._redis.xautoclaim(
                    stream, self._group, self._name, min_idle_time=0, start_id=start, count=READ
                )
                left += _entries(stream, entries)
                if start == b"0-0":
                    break
            await self._forget_others(stream)
        return left

    async def read(
        self, *, done: Sequence[Entry] = (), block: int | None = BLOCK_MILLISECONDS
    ) -> list[Entry]:
        """Say in the same breath that entries are done with, and wait a little for what is new.

        Raises:
            ResponseError: the stream is lost.

        """
        async with self._redis.pipeline(transaction=False) as pipe:
            self._acknowledge(pipe, done)
            pipe.xreadgroup(
                self._group, self._name, dict.fromkeys(self._streams, ">"), count=READ, block=block
            )
            answer: Any = (await pipe.execute())[-1]
        found = answer.items() if isinstance(answer, dict) else answer
        read: list[Entry] = []
        for stream, entries in found:
            # With the third version of its protocol, Redis puts one list more around them.
            inner = entries[0] if entries and isinstance(entries[0], list) else entries
            read += _entries(stream.decode(), inner)
        return read

    async def acknowledge(self, entries: Sequence[Entry]) -> None:
        """Say that entries are done with."""
        async with self._redis.pipeline(transaction=False) as pipe:
            self._acknowledge(pipe, entries)
            await pipe.execute()

    def _acknowledge(self, pipe: Pipeline, entries: Sequence[Entry]) -> None:
        by_stream: dict[str, list[bytes]] = {}
        for each in entries:
            by_stream.setdefault(each.stream, []).append(each.id)
        for stream, ids in by_stream.items():
            pipe.xack(stream, self._group, *ids)

    async def _forget_others(self, stream: str) -> None:
        for other in await self._redis.xinfo_consumers(stream, self._group):
            if other["name"] != self._name.encode() and not other["pending"]:
                await self._redis.xgroup_delconsumer(stream, self._group, other["name"])


def _entries(stream: str, raw: Sequence[Any]) -> list[Entry]:
    """Read entries; one that was cut while somebody held it has no fields any more."""
    return [
        Entry(stream, entry_id, fields[b"topic"].decode(), fields[b"key"].decode())
        for entry_id, fields in raw
        if entry_id is not None and fields
    ]
