"""Where the ledgers of sessions lie: a port, and Redis behind it, for a day after the last use.

A ledger is one Redis list: a head, then an entry for each seq. It grows only at the end, and only
when its end is where the writer saw it, so two who extend it at once agree on what was given.
"""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.feed.model import Entry, Log
from server.kernel.problems import Unavailable

KEPT_SECONDS = 24 * 3600
_EPOCH_BYTES = 4

_APPEND = """
local length = redis.call('LLEN', KEYS[1])
if length == 0 then
  if ARGV[2] ~= '0' then return 0 end
  redis.call('RPUSH', KEYS[1], ARGV[1])
elseif length - 1 ~= tonumber(ARGV[2])
    or string.sub(redis.call('LINDEX', KEYS[1], 0), 1, 4) ~= string.sub(ARGV[1], 1, 4) then
  return 0
end
for at = 4, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[at]) end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""


class Ledger(Protocol):
    """Keeps what sessions were given."""

    async def read(self, session: UUID) -> Log | None:
        """Read a ledger and keep it for another day; None when there is none, or none any more."""
        ...

    async def append(self, log: Log, entries: Sequence[Entry]) -> bool:
        """Write entries behind those of `log`; False when another has written since it was read.

        A log without entries makes a new ledger, unless there is one.
        """
        ...


class _Head(Struct, array_like=True):
    base: int
    barred: bytes


_encode = msgspec.msgpack.Encoder(uuid_format="bytes").encode
_decode_head = msgspec.msgpack.Decoder(_Head).decode
_decode_entry = msgspec.msgpack.Decoder(Entry).decode


class RedisLedger:
    """The ledger in Redis; when Redis does not answer, `Unavailable` is raised."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._append = redis.register_script(_APPEND)

    async def read(self, session: UUID) -> Log | None:
        """Read a ledger and keep it for another day; None when there is none, or none any more."""
        key = _key(session)
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.lrange(key, 0, -1)
                pipe.expire(key, KEPT_SECONDS)
                rows, _ = await pipe.execute()
        except RedisError as error:
            raise Unavailable("Feed sessions cannot be read just now.") from error
        if not rows:
            return None
        head = _decode_head(rows[0][_EPOCH_BYTES:])
        return Log(
            session=session,
            epoch=int.from_bytes(rows[0][:_EPOCH_BYTES]),
            base=head.base,
            entries=tuple(_decode_entry(row) for row in rows[1:]),
            barred=frozenset(_unpacked(head.barred)),
        )

    async def append(self, log: Log, entries: Sequence[Entry]) -> bool:
        """Write entries behind those of `log`; False when another has written since it was read."""
        barred = b"".join(each.bytes for each in log.barred)
        head = log.epoch.to_bytes(_EPOCH_BYTES) + _encode(_Head(log.base, barred))
        args: list[bytes | str | int] = [
            head,
            len(log.entries),
            KEPT_SECONDS,
            *(_encode(entry) for entry in entries),
        ]
        try:
            return bool(await self._append(keys=[_key(log.session)], args=args))
        except RedisError as error:
            raise Unavailable("Feed sessions cannot be written just now.") from error


def _key(session: UUID) -> str:
    return f"sess:{{{session}}}:log"


def _unpacked(ids: bytes) -> list[UUID]:
    return [UUID(bytes=ids[at : at + 16]) for at in range(0, len(ids), 16)]
