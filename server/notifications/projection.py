"""The newest notifications of each person as a sorted set in Redis, rebuilt wherever it is behind.

The set says which change of the inbox it stands for. A reader compares that with the inbox's own
row, so a set that was lost, or missed a change, is never believed.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.kernel.database import Db
from server.notifications import store
from server.notifications.store import Kept

MOST = 200
KEPT_SECONDS = 30 * 24 * 3600
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# KEYS: the set, its change. ARGV: first and last change told, most, seconds, how many to remove,
# those, then score and member of each to add.
_APPLY = """
local at = tonumber(redis.call('get', KEYS[2]) or '-1')
local first, last = tonumber(ARGV[1]), tonumber(ARGV[2])
if at < first - 1 then
  redis.call('del', KEYS[1], KEYS[2])
  return 0
end
local place = 6
for _ = 1, tonumber(ARGV[5]) do
  redis.call('zrem', KEYS[1], ARGV[place])
  place = place + 1
end
while place < #ARGV do
  redis.call('zadd', KEYS[1], ARGV[place], ARGV[place + 1])
  place = place + 2
end
redis.call('zremrangebyrank', KEYS[1], 0, -tonumber(ARGV[3]) - 1)
redis.call('expire', KEYS[1], ARGV[4])
redis.call('set', KEYS[2], math.max(at, last), 'ex', ARGV[4])
return 1
"""
_REPLACE = """
if tonumber(redis.call('get', KEYS[2]) or '-1') >= tonumber(ARGV[1]) then return 0 end
redis.call('del', KEYS[1])
for place = 3, #ARGV, 2 do redis.call('zadd', KEYS[1], ARGV[place], ARGV[place + 1]) end
redis.call('expire', KEYS[1], ARGV[2])
redis.call('set', KEYS[2], ARGV[1], 'ex', ARGV[2])
return 1
"""


class Projection:
    """The sorted sets, as inboxes are read from them and told into them."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def newest(self, db: Db, owner: UUID, change: int, limit: int) -> list[Kept]:
        """Read the newest notifications of an inbox that stands at a change."""
        try:
            ids = await self._ids(owner, change, limit)
            if ids is None:
                await self._rebuild(db, owner, change)
        except (RedisError, OSError):
            ids = None
        if ids is None:
            return await store.page(db, owner, before=None, limit=limit)
        kept = await store.some(db, [(owner, each) for each in ids])
        here = [each for each in kept if each.gone_at is None and not each.quiet]
        return sorted(here, key=lambda each: (each.updated_at, each.id), reverse=True)

    async def tell(
        self, owner: UUID, changes: Collection[int], kept: Sequence[Kept], gone: Collection[UUID]
    ) -> None:
        """Take in what some changes made of an inbox, or drop a set that missed one before."""
        shown = [each for each in kept if each.gone_at is None and not each.quiet]
        here = {each.id for each in shown}
        out = [each.bytes for each in {*gone, *(each.id for each in kept)} - here]
        arguments: list[int | bytes] = [min(changes), max(changes), MOST, KEPT_SECONDS, len(out)]
        await self._redis.eval(_APPLY, 2, *_keys(owner), *arguments, *out, *_scored(shown))

    async def _ids(self, owner: UUID, change: int, limit: int) -> list[UUID] | None:
        async with self._redis.pipeline(transaction=True) as pipe:
            newest, at = _keys(owner)
            pipe.get(at)
            pipe.zrevrange(newest, 0, limit - 1)
            stands_at, ids = await pipe.execute()
        if stands_at is None or int(stands_at) != change or limit > MOST:
            return None
        return [UUID(bytes=each) for each in ids]

    async def _rebuild(self, db: Db, owner: UUID, change: int) -> None:
        kept = await store.page(db, owner, before=None, limit=MOST)
        arguments = [change, KEPT_SECONDS, *_scored(kept)]
        await self._redis.eval(_REPLACE, 2, *_keys(owner), *arguments)


def _keys(owner: UUID) -> tuple[str, str]:
    return f"ntf:{{{owner}}}", f"ntf:{{{owner}}}:at"


def _scored(kept: Sequence[Kept]) -> list[int | bytes]:
    scored: list[int | bytes] = []
    for each in kept:
        scored += [(each.updated_at - _EPOCH) // timedelta(microseconds=1), each.id.bytes]
    return scored
