"""Rate limits by GCRA: one moment for each key, kept in Redis and moved by one script.

A limit of N in S seconds lets a burst of N through at once and after it one every S/N seconds: so
in any window of W seconds at most N + W * N / S are admitted, however they arrive.

A request may draw on several limits, such as its person's and its address's: it passes all of
them or is counted by none. What is asked while an answer of Redis is under way goes with the next
question, so many requests at once cost one round trip.

When Redis is away, each process counts for itself in a bounded table, with the same arithmetic: a
limit is then as many times as large as there are nodes, but it is never gone, and nobody is
refused for want of Redis. For a second after a failure Redis is not asked at all.
"""

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Protocol
from weakref import WeakKeyDictionary

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
MOST_AT_ONCE = 200
# A thousandth of a millisecond is forgiven, since moments are kept no finer.
_FORGIVEN_MS = 0.001

_local = Counter("rate_limits_without_redis_total", "Requests counted by one process alone.")
_forgotten = Counter("rate_limits_forgotten_total", "Keys dropped from the full local table.")

# The same as `decide`, where the moments lie, for many requests; numbers are milliseconds. Of each
# request come its time and the number of its keys, then each key's interval and count; back go
# whether it passes, and each key's moment less the time.
_SCRIPT = """
local answers, key, at = {}, 0, 1
while at <= #ARGV do
  local now, keys = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  at = at + 2
  local dues, admitted = {}, 1
  for n = 1, keys do
    local interval, count = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
    at = at + 2
    local due = math.max(tonumber(redis.call('get', KEYS[key + n]) or '0'), now) + interval
    if due - count * interval - now > 0.001 then admitted = 0 end
    dues[n] = due
  end
  answers[#answers + 1] = admitted
  for n = 1, keys do
    if admitted == 1 then
      local left = math.ceil(dues[n] - now)
      redis.call('set', KEYS[key + n], string.format('%.3f', dues[n]), 'px', left)
    end
    answers[#answers + 1] = string.format('%.3f', dues[n] - now)
  end
  key = key + keys
end
return answers
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


class Quota(Struct, frozen=True):
    """A rate as the operator sets it."""

    count: int
    seconds: float


class Ask(Struct, frozen=True):
    """One limit that a request draws on: its name, whose it is, and how much it allows."""

    name: str
    who: str
    rate: Rate

    @property
    def key(self) -> str:
        """Where its moment lies."""
        return f"rl:{self.name}:{self.who}"

    @property
    def interval_ms(self) -> float:
        """How long one request takes out of it."""
        return self.rate.seconds * 1000 / self.rate.count


class Step(Struct, frozen=True):
    """What one request does to its keys: let in or not, and how far ahead each key then is."""

    admitted: bool
    ahead_ms: tuple[float, ...]


def decide(asks: Sequence[Ask], dues: Sequence[float], now_ms: float) -> Step:
    """Decide about one request from the moments that are kept for its keys."""
    ahead = tuple(
        max(due - now_ms, 0.0) + ask.interval_ms for ask, due in zip(asks, dues, strict=True)
    )
    waits = (_wait_ms(ask, each) for ask, each in zip(asks, ahead, strict=True))
    return Step(all(wait <= _FORGIVEN_MS for wait in waits), ahead)


def _wait_ms(ask: Ask, ahead_ms: float) -> float:
    return ahead_ms - ask.rate.count * ask.interval_ms


class LocalTable:
    """The moments of one process, of the keys that were used last."""

    def __init__(self, most: int = MOST_LOCAL) -> None:
        self._most = most
        self._due: OrderedDict[str, float] = OrderedDict()

    def admit(self, asks: Sequence[Ask], now_ms: float) -> Step:
        """Count one request."""
        dues = [self._due.pop(ask.key, 0.0) for ask in asks]
        decided = decide(asks, dues, now_ms)
        for ask, due, ahead in zip(asks, dues, decided.ahead_ms, strict=True):
            self._due[ask.key] = now_ms + ahead if decided.admitted else due
        while len(self._due) > self._most:
            self._due.popitem(last=False)
            _forgotten.inc()
        return decided


class _Waiting(Struct, frozen=True):
    asks: Sequence[Ask]
    now_ms: float
    answer: asyncio.Future[Step]


class Gate:
    """Asks one Redis about requests, as many at a time as there are."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[_Waiting] = []
        self._asking: asyncio.Task[None] | None = None
        self._table = LocalTable()
        self._away_until = 0.0

    async def admit(self, asks: Sequence[Ask], now_ms: float) -> Step:
        """Count one request; without Redis, by this process alone."""
        if time.monotonic() < self._away_until:
            return self._alone(asks, now_ms)
        answer: asyncio.Future[Step] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(asks, now_ms, answer))
        if self._asking is None:
            self._asking = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[:MOST_AT_ONCE]
                del self._waiting[:MOST_AT_ONCE]
                await self._answer(batch)
        finally:
            self._asking = None

    async def _answer(self, batch: Sequence[_Waiting]) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                steps = await self._ask(batch)
        except (RedisError, OSError):
            self._away_until = time.monotonic() + AWAY_SECONDS
            steps = [self._alone(each.asks, each.now_ms) for each in batch]
        except asyncio.CancelledError:
            for each in batch:
                each.answer.cancel()
            raise
        for each, step in zip(batch, steps, strict=True):
            if not each.answer.done():
                each.answer.set_result(step)

    def _alone(self, asks: Sequence[Ask], now_ms: float) -> Step:
        _local.inc()
        return self._table.admit(asks, now_ms)

    async def _ask(self, batch: Sequence[_Waiting]) -> list[Step]:
        keys = [ask.key for each in batch for ask in each.asks]
        values: list[str] = []
        for each in batch:
            values += (f"{each.now_ms:.3f}", str(len(each.asks)))
            for ask in each.asks:
                values += (f"{ask.interval_ms:.6f}", str(ask.rate.count))
        try:
            said = await self._redis.evalsha(_SHA, len(keys), *keys, *values)
        except NoScriptError:
            said = await self._redis.eval(_SCRIPT, len(keys), *keys, *values)
        return list(_read(batch, said))


def _read(batch: Sequence[_Waiting], said: Sequence[int | bytes]) -> Sequence[Step]:
    steps, at = [], 0
    for each in batch:
        end = at + 1 + len(each.asks)
        steps.append(Step(bool(said[at]), tuple(float(ahead) for ahead in said[at + 1 : end])))
        at = end
    return steps


# By the connection, which belongs to one loop; it outlives no more than that does.
_gates: WeakKeyDictionary[Redis, Gate] = WeakKeyDictionary()


def gate_of(redis: Redis) -> Gate:
    """Give the one gate before a Redis in this process."""
    gate = _gates.get(redis)
    if gate is None:
        gate = _gates[redis] = Gate(redis)
    return gate


async def admit(services: Services, name: str, who: str, rate: Rate) -> None:
    """Count one request of somebody against a limit. Refused as `admit_all` is."""
    await admit_all(services, [Ask(name, who, rate)])


async def admit_all(services: Services, asks: Sequence[Ask]) -> dict[str, str]:
    """Count one request against several limits, and give the headers that tell how they stand.

    Raises:
        TooMany: there were too many; `Retry-After` says when the next may come.

    """
    if not services.policy.rate_limits:
        return {}
    wanted = [_as_set(ask, services.policy.rates) for ask in asks]
    now_ms = services.clock.now().timestamp() * 1000
    step = await gate_of(services.redis).admit(wanted, now_ms)
    if step.admitted:
        return headers(wanted, step)
    waits = [_wait_ms(ask, ahead) for ask, ahead in zip(wanted, step.ahead_ms, strict=True)]
    longest = max(waits)
    metrics.rate_limited.labels(wanted[waits.index(longest)].name).inc()
    seconds = math.ceil(longest / 1000)
    refused = TooMany(f"Try again in {seconds} s.", retry_after=seconds)
    refused.headers |= headers(wanted, step) | {"retry-after": str(seconds)}
    raise refused


def _as_set(ask: Ask, rates: Mapping[str, tuple[int, float]]) -> Ask:
    rate = rates.get(ask.name)
    return ask if rate is None else Ask(ask.name, ask.who, Quota(*rate))


def headers(asks: Sequence[Ask], step: Step) -> dict[str, str]:
    """Tell limits as the IETF's draft on RateLimit header fields has them."""
    policies, states = [], []
    for ask, ahead in zip(asks, step.ahead_ms, strict=True):
        # What was refused has taken nothing out.
        used = ahead if step.admitted else ahead - ask.interval_ms
        left = max(0, math.floor(ask.rate.count - used / ask.interval_ms + _FORGIVEN_MS))
        policies.append(f'"{ask.name}";q={ask.rate.count};w={math.ceil(ask.rate.seconds)}')
        states.append(f'"{ask.name}";r={left};t={math.ceil(max(0.0, used) / 1000)}')
    return {"ratelimit-policy": ", ".join(policies), "ratelimit": ", ".join(states)}
