"""The lists in Redis that timelines are read from: for who reads now and then, the newest entries.

A list holds every entry that belongs into it above its floor; it may hold more, for what is read
is compared with the truth. That one rule is all that its writers keep:

- what is written while a list is being built stays in it, and the builder adds its own;
- who cuts a list, or adds only so much of an author, lifts the floor to where it is whole;
- a list of before a restart of Redis, which may have lost what was written last, counts as none;
- so does a list of before the last entry that was not written because writing is switched off.

One sorted set for each reader: entries by their time, below them a mark that says `built` and its
score the floor, or `being built`. So whatever Redis drops, it drops mark and entries together.
"""

import secrets
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from redis.asyncio import Redis

from server.timelines.model import KEPT, Entry, Key

# Keys of one bucket lie in one slot of a cluster, so that one script writes to many of them.
BUCKETS = 16
# A builder that has not finished by then is taken for dead.
BUILD_SECONDS = 30
_ENTRY = 33
_DAY = 86_400
_STAMP_KEY = "tl:stamp"

# What all scripts begin with: the mark of a list is its lowest member, `f` and a stamp once it is
# built, `b` and a builder's token while it is not. The stamp holds the server's run, too.
_LUA = """
local function run()
  local told, info = pcall(redis.call, 'INFO', 'server')
  return told and string.match(info, 'run_id:(%x+)') or ''
end
local function mark(key)
  local found = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  return found[1], tonumber(found[2])
end
local function lift(key, name, floor)
  local score = string.format('%.0f', floor)
  redis.call('ZREMRANGEBYSCORE', key, 0, score)
  redis.call('ZADD', key, score, name)
end
-- Now and then rather than at every entry: that is most of what writing costs.
local function trim(key, name, keep)
  local over = redis.call('ZCARD', key) - 1 - keep
  if over > math.floor(keep / 10) then
    local last = redis.call('ZRANGE', key, over, over, 'WITHSCORES')
    lift(key, name, tonumber(last[2]))
  end
end
"""

# Gives nothing where there is no whole list, else its floor and entries from a time on downwards.
_READ = (
    _LUA
    + """
local name, floor = mark(KEYS[1])
if name ~= 'f' .. ARGV[1] .. run() then return false end
redis.call('EXPIRE', KEYS[1], ARGV[4])
local found = redis.call('ZREVRANGEBYSCORE', KEYS[1], ARGV[2],
  '(' .. string.format('%.0f', floor), 'WITHSCORES', 'LIMIT', 0, ARGV[3])
return {string.format('%.0f', floor), found}
"""
)

# Begins to build: 1, unless there is a whole list or another builder is at it.
_BEGIN = (
    _LUA
    + """
local name = mark(KEYS[1])
if name == 'f' .. ARGV[1] .. run() then return 0 end
local now = redis.call('TIME')[1]
if name and string.sub(name, 1, 1) == 'b'
    and now - tonumber(string.sub(name, 18)) < tonumber(ARGV[3]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('ZADD', KEYS[1], -1, 'b' .. ARGV[2] .. now)
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1
"""
)

# Ends building: 0 when the list is gone, or another has taken over.
_FINISH = (
    _LUA
    + """
local name = mark(KEYS[1])
if not name or string.sub(name, 1, 17) ~= 'b' .. ARGV[2] then return 0 end
for at = 5, #ARGV, 2 do redis.call('ZADD', KEYS[1], ARGV[at], ARGV[at + 1]) end
redis.call('ZREM', KEYS[1], name)
local built = 'f' .. ARGV[1] .. run()
lift(KEYS[1], built, tonumber(ARGV[3]))
trim(KEYS[1], built, tonumber(ARGV[4]))
return 1
"""
)

# Writes one entry to those lists that there are; says to how many.
_PUSH = (
    _LUA
    + """
local score, keep, written = tonumber(ARGV[1]), tonumber(ARGV[3]), 0
for _, key in ipairs(KEYS) do
  local name, floor = mark(key)
  if name and score > floor then
    redis.call('ZADD', key, ARGV[1], ARGV[2])
    if string.sub(name, 1, 1) == 'f' then
      trim(key, name, keep)
    elseif redis.call('ZCARD', key) > 4 * keep then
      redis.call('DEL', key)
    end
    written = written + 1
  end
end
return written
"""
)

# Writes the entries of one author, of which all are given that are newer than a time. A list that
# is being built is given up: its builder may have read what was before.
_FILL = (
    _LUA
    + """
local bound, keep = tonumber(ARGV[1]), tonumber(ARGV[2])
for _, key in ipairs(KEYS) do
  local name, floor = mark(key)
  if name and string.sub(name, 1, 1) ~= 'f' then
    redis.call('DEL', key)
  elseif name then
    for at = 3, #ARGV, 2 do
      if tonumber(ARGV[at]) > floor then redis.call('ZADD', key, ARGV[at], ARGV[at + 1]) end
    end
    if bound > floor then lift(key, name, bound) end
    trim(key, name, keep)
  end
end
return 1
"""
)

_REMOVE = """
for _, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[1]) end
return 1
"""

_REMOVE_ACTOR = """
local gone = 0
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if #member == 33 and string.sub(member, 17, 32) == ARGV[1] then
    redis.call('ZREM', KEYS[1], member)
    gone = gone + 1
  end
end
return gone
"""


class Part(Struct, frozen=True):
    """What a list gave: entries newest first, and from which time on these are all."""

    entries: list[Entry]
    # Nothing newer than this is missing between the place that was asked for and here.
    horizon: int
    # The list ends here; what is older lies in PostgreSQL, unless it is 0.
    ended: bool


class Lists:
    """Reads and writes the lists of readers."""

    def __init__(self, redis: Redis, *, days: int) -> None:
        self._redis = redis
        self._seconds = days * _DAY
        self._read = redis.register_script(_READ)
        self._begin = redis.register_script(_BEGIN)
        self._finish = redis.register_script(_FINISH)
        self._push = redis.register_script(_PUSH)
        self._fill = redis.register_script(_FILL)
        self._remove = redis.register_script(_REMOVE)
        self._remove_actor = redis.register_script(_REMOVE_ACTOR)

    async def read(self, reader: UUID, before: Key, limit: int) -> Part | None:
        """Read a list from a place on; None where there is no whole one. It is kept for longer."""
        args: list[Any] = [await self._stamp(), before.at, limit, self._seconds]
        found = await self._read(keys=[key_of(reader)], args=args)
        if found is None:
            return None
        floor, rows = found
        given = [_entry(rows[at], rows[at + 1]) for at in range(0, len(rows), 2)]
        ended = len(given) < limit
        return Part(
            [entry for entry in given if entry.key < before],
            int(floor) if ended else given[-1].key.at,
            ended,
        )

    async def begin(self, reader: UUID) -> str | None:
        """Begin to build a list, before its entries are read; None when that is not needed."""
        token = secrets.token_hex(8)
        args: list[Any] = [await self._stamp(), token, BUILD_SECONDS, self._seconds]
        return token if await self._begin(keys=[key_of(reader)], args=args) else None

    async def finish(self, reader: UUID, token: str, entries: Sequence[Entry], floor: int) -> bool:
        """End building with what was read; False when the list was lost meanwhile."""
        args: list[Any] = [await self._stamp(), token, floor, KEPT, *_flat(entries)]
        return bool(await self._finish(keys=[key_of(reader)], args=args))

    async def push(self, readers: Collection[UUID], entry: Entry) -> int:
        """Write an entry to those of some lists that there are; says to how many."""
        written = 0
        for keys in buckets(readers):
            written += await self._push(keys=keys, args=[entry.key.at, member_of(entry), KEPT])
        return written

    async def fill(self, readers: Collection[UUID], entries: Sequence[Entry], floor: int) -> None:
        """Write one author's entries, all that are newer than `floor`, to some lists."""
        for keys in buckets(readers):
            await self._fill(keys=keys, args=[floor, KEPT, *_flat(entries)])

    async def remove(self, readers: Collection[UUID], entry: Entry) -> None:
        """Take an entry out of some lists."""
        for keys in buckets(readers):
            await self._remove(keys=keys, args=[member_of(entry)])

    async def remove_actor(self, reader: UUID, actor: UUID) -> None:
        """Take out of a list what one person brought."""
        await self._remove_actor(keys=[key_of(reader)], args=[actor.bytes])

    async def disown(self) -> None:
        """Let every list count as none, since something was not written."""
        await self._redis.delete(_STAMP_KEY)

    async def _stamp(self) -> str:
        stamp = await self._redis.get(_STAMP_KEY)
        if stamp is None:
            await self._redis.set(_STAMP_KEY, secrets.token_hex(4), nx=True)
            stamp = await self._redis.get(_STAMP_KEY)
        # Gone again already: what is built under a stamp that nobody knows, nobody reads.
        return stamp.decode() if isinstance(stamp, bytes) else secrets.token_hex(4)


def key_of(reader: UUID) -> str:
    """Name the list of a reader."""
    return f"tl:{{{reader.int % BUCKETS}}}:{reader}"


def buckets(readers: Collection[UUID]) -> list[list[str]]:
    """Name the lists of readers, those together that one script may write to."""
    found: dict[int, list[str]] = {}
    for reader in readers:
        found.setdefault(reader.int % BUCKETS, []).append(key_of(reader))
    return list(found.values())


def member_of(entry: Entry) -> bytes:
    """Write an entry as a member; members of one time sort as keys do."""
    return entry.item_id.bytes + entry.actor_id.bytes + (b"\1" if entry.repost else b"\0")


def _entry(member: bytes, score: bytes) -> Entry:
    key = Key(int(score), UUID(bytes=member[:16]), UUID(bytes=member[16:32]))
    return Entry(key, repost=member[32] == 1)


def _flat(entries: Sequence[Entry]) -> list[Any]:
    return [part for entry in entries for part in (entry.key.at, member_of(entry))]
