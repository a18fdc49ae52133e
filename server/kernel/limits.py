"""Rate limits by GCRA: one moment for each key, kept in Redis and moved by one script.

A limit of N in S seconds lets a burst of N through at once and after it one every S/N seconds: so
in any window of W seconds at most N + W * N / S are admitted, however they arrive.

When Redis is away, each process counts for itself in a bounded table, with the same arithmetic: a
limit is then as many times as large as there are nodes, but it is never gone, and nobody is
refused for want of Redis. For a second after a failure Redis is not asked at all.
"""

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from typing import Protocol

from msgspec import Struct
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from server.kernel import metrics
from server.kernel.problems import TooMany
from server.kernel.services import Services

ANSWER_SECONDS = 0.25
AWAY_SECONDS = 1.0
MOST_LOCAL = 10_000

_local = Counter("rate_limits_without_redis_total", "Requests counted by one process alone.")
_forgotten = Counter("rate_limits_forgotten_total", "Keys dropped from the full local table.")

# The same as `step`, where the moment lies; numbers are milliseconds.
_SCRIPT = """
local now, interval, count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local due = math.max(tonumber(redis.call('get', KEYS[1]) or '0'), now) + interval
local wait = due - count * interval - now
if wait > 0.001 then return {0, string.format('%.3f', wait)} end
redis.call('set', KEYS[1], string.format('%.3f', due), 'px', math.ceil(due - now))
return {1, string.format('%.3f', due - now)}
"""
# Redis knows scripts by this digest; nothing is protected by it.
_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


class Rate(Protocol):
    """So many in so many seconds."""

    @property
    def count(self) -> int:
        """How many may come at once."""
        ...

    @property
    def seconds(self) -> float:
        """How long it takes until as many may come again."""
        ...


class Step(Struct, frozen=True):
    """What one request does to a key: let in or not, and the key's moment after it."""

    admitted: bool
    due_ms: float
    wait_ms: float = 0.0


def step(due_ms: float, now_ms: float, rate: Rate) -> Step:
    """Decide about one request from the moment that is kept for its key."""
    interval = rate.seconds * 1000 / rate.count
    due = max(due_ms, now_ms) + interval
    wait = due - rate.count * interval - now_ms
    # A thousandth of a millisecond is forgiven, since moments are kept no finer.
    if wait > 0.001:  # noqa: PLR2004
        return Step(admitted=False, due_ms=due_ms, wait_ms=wait)
    return Step(admitted=True, due_ms=due)


class LocalTable:
    """The moments of one process, of the keys that were used last."""

    def __init__(self, most: int = MOST_LOCAL) -> None:
        self._most = most
        self._due: OrderedDict[str, float] = OrderedDict()

    def admit(self, key: str, rate: Rate, now_ms: float) -> Step:
        """Count one request."""
        decided = step(self._due.pop(key, 0.0), now_ms, rate)
        self._due[key] = decided.due_ms
        if len(self._due) > self._most:
            self._due.popitem(last=False)
            _forgotten.inc()
        return decided


class _Fallback:
    """Whether Redis has just failed, and what counts in its place."""

    def __init__(self) -> None:
        self.table = LocalTable()
        self.away_until = 0.0


# Of the process, like the metrics: it outlives no more than the process does.
_fallback = _Fallback()


async def admit(services: Services, name: str, who: str, rate: Rate) -> None:
    """Count one request of somebody against a limit.

    Raises:
        TooMany: there were too many; `Retry-After` says when the next may come.

    """
    if not services.policy.rate_limits:
        return
    now_ms = services.clock.now().timestamp() * 1000
    decided = await _decide(services.redis, f"rl:{name}:{who}", rate, now_ms)
    if decided.admitted:
        return
    metrics.rate_limited.labels(name).inc()
    seconds = math.ceil(decided.wait_ms / 1000)
    refused = TooMany(f"Try again in {seconds} s.", retry_after=seconds)
    refused.headers["retry-after"] = str(seconds)
    raise refused


async def _decide(redis: Redis, key: str, rate: Rate, now_ms: float) -> Step:
    if time.monotonic() >= _fallback.away_until:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await _ask(redis, key, rate, now_ms)
        except (RedisError, OSError):
            _fallback.away_until = time.monotonic() + AWAY_SECONDS
    _local.inc()
    return _fallback.table.admit(key, rate, now_ms)


async def _ask(redis: Redis, key: str, rate: Rate, now_ms: float) -> Step:
    arguments = [key, f"{now_ms:.3f}", f"{rate.seconds * 1000 / rate.count:.6f}", str(rate.count)]
    try:
        admitted, number = await redis.evalsha(_SHA, 1, *arguments)
    except NoScriptError:
        admitted, number = await redis.eval(_SCRIPT, 1, *arguments)
    milliseconds = float(number)
    if admitted:
        return Step(admitted=True, due_ms=now_ms + milliseconds)
    return Step(admitted=False, due_ms=0.0, wait_ms=milliseconds)
