"""Whose turn it is to ask a host: one request at a time, and not too many, over all workers.

The books are in Redis. A turn is a lease that ends by itself when its worker was killed; beside it
stands a bucket that fills slowly, and the moment until which the host wants to be left alone.
"""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.kernel.logs import log

# A host is asked at most so often at once, and once in so many seconds after that.
BURST = 3
SPACING_SECONDS = 1.0
LONGEST_SPACING_SECONDS = 30.0
# Renewed while the turn lasts: what was taken by a worker that died is free again after it.
LEASE_SECONDS = 20.0
_RENEW_SECONDS = 5.0
LONGEST_CLOSED = timedelta(hours=24)
_LOOK_SECONDS = 0.2

_log = log("ingest")

# The clock is that of Redis, the same for all workers.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local closed = tonumber(redis.call('GET', KEYS[3]) or '0')
if closed > now then return {'closed', closed - now} end
if redis.call('EXISTS', KEYS[1]) == 1 then return {'busy', redis.call('PTTL', KEYS[1])} end
local spacing, burst = tonumber(ARGV[2]), tonumber(ARGV[3])
local full = math.max(tonumber(redis.call('GET', KEYS[2]) or '0'), now)
local early = full - now - spacing * (burst - 1)
if early > 0 then return {'early', early} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[4])
redis.call('SET', KEYS[2], full + spacing, 'PX', full + spacing - now + 1000)
return {'taken', 0}
"""
_GIVE_BACK = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
_RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
_CLOSE = """
local clock = redis.call('TIME')
local until_ = clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[1]
if until_ > tonumber(redis.call('GET', KEYS[1]) or '0') then
  redis.call('SET', KEYS[1], until_, 'PX', ARGV[1])
end
return 1
"""


class NoTurn(Exception):
    """The host has no turn for us within our patience; `wait` says when to come back."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(f"The host has no turn before {wait.total_seconds():.0f} s.")
        self.wait = wait


class Pace(Struct, frozen=True):
    """How often a host may be asked."""

    spacing_seconds: float = SPACING_SECONDS
    burst: int = BURST


class Turns:
    """Gives out turns, one at a time for each host."""

    def __init__(self, redis: Redis, pace: Pace | None = None) -> None:
        self._take = redis.register_script(_TAKE)
        self._give_back = redis.register_script(_GIVE_BACK)
        self._renew = redis.register_script(_RENEW)
        self._close = redis.register_script(_CLOSE)
        self.pace = pace or Pace()
        self._chance = random.Random()  # noqa: S311 - nothing is guarded by it

    @asynccontextmanager
    async def turn(
        self, host: str, *, patience: float, spacing_seconds: float = 0.0
    ) -> AsyncIterator[None]:
        """Wait for a turn with a host, and hold it while the block runs.

        Raises:
            NoTurn: it would take longer than our patience lasts.

        """
        token = secrets.token_hex(8)
        await self._wait(host, token, patience, spacing_seconds)
        renewing = asyncio.create_task(self._keep(host, token))
        try:
            yield
        finally:
            renewing.cancel()
            # Also when this job is cancelled: nobody is to wait for the lease to end by itself.
            await asyncio.shield(self._give_back(keys=[_lease(host)], args=[token]))

    async def _keep(self, host: str, token: str) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            try:
                await self._renew(keys=[_lease(host)], args=[token, int(LEASE_SECONDS * 1000)])
            except RedisError as error:
                # The next time may do; if none does, the turn goes to somebody else.
                _log.warning("turn_not_renewed", error=type(error).__name__)

    async def close(self, host: str, span: timedelta) -> None:
        """Leave a host alone, in all workers, for as long as it asks."""
        span = min(span, LONGEST_CLOSED)
        if span > timedelta():
            await self._close(keys=[_closed(host)], args=[int(span.total_seconds() * 1000)])

    async def _wait(self, host: str, token: str, patience: float, spacing: float) -> None:
        clock = asyncio.get_running_loop()
        end = clock.time() + patience
        while True:
            said, left = await self._ask(host, token, spacing)
            if said == b"taken":
                return
            wait = left / 1000 * (1 + self._chance.random() / 10)
            # A lease may be given back long before it ends.
            pause = min(wait, _LOOK_SECONDS) if said == b"busy" else wait
            if clock.time() + pause > end:
                wait = min(wait, self.pace.spacing_seconds * 5) if said == b"busy" else wait
                raise NoTurn(timedelta(seconds=max(wait, 1.0)))
            await asyncio.sleep(pause)

    async def _ask(self, host: str, token: str, spacing: float) -> tuple[bytes, int]:
        spacing = min(max(spacing, self.pace.spacing_seconds), LONGEST_SPACING_SECONDS)
        # A host that names its own pace means no bursts.
        burst = self.pace.burst if spacing == self.pace.spacing_seconds else 1
        answer: Any = await self._take(
            keys=[_lease(host), f"turns:{{{host}}}:bucket", _closed(host)],
            args=[token, int(spacing * 1000), burst, int(LEASE_SECONDS * 1000)],
        )
        return answer[0], int(answer[1])


def _lease(host: str) -> str:
    return f"turns:{{{host}}}:lease"


def _closed(host: str) -> str:
    return f"turns:{{{host}}}:closed"
