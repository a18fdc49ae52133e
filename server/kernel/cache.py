"""Answers kept in Redis for a while, made again by one caller however many wait.

A value is kept under its name with the version that the name had when it was begun to be made.
Whatever changes what a value is made from moves the version on, in one command: the old value is
then as good as gone, also for whoever was making it just then. Nothing is searched for or deleted.

Before a value is too old it is made anew early, by chance, the sooner the longer it takes to make
(Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", 2015):
the old one serves meanwhile. In a process one task makes a value; between processes a short lease
sees to it. While Redis is away every process makes what it needs, once at a time for each name.
"""

import asyncio
import hashlib
import math
import random
import secrets
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from server.kernel.clock import Clock

Value = TypeVar("Value")

# What is larger is made anew each time: a cache of few large values serves nobody.
MOST_BYTES = 256 * 1024
LEASE_SECONDS = 5.0
# More makes values earlier, less later; 1 is what the paper shows to be best.
BETA = 1.0
# A version outlives every value that was made under it.
_VERSION_LIVES = 2
_PAUSE_SECONDS = 0.02
_ANSWER_SECONDS = 0.25

reads = Counter("cache_reads_total", "Values asked for, by where they came from.", ("kind", "from"))
made = Counter("cache_values_made_total", "Values that were made.", ("kind",))

# A name that has no version gets one that no value was ever made under.
_READ = """
local version = redis.call('get', KEYS[1])
if not version then
  version = ARGV[1]
  redis.call('set', KEYS[1], version)
end
redis.call('pexpire', KEYS[1], ARGV[2])
return {version, redis.call('get', KEYS[2])}
"""
_READ_SHA = hashlib.sha1(_READ.encode(), usedforsecurity=False).hexdigest()
_END_LEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end"


class Kept(Struct, frozen=True, array_like=True):
    """A value as it is kept: under which version, until when, and how long it took to make."""

    version: bytes
    expires: float
    took: float
    value: bytes


class Cache(Generic[Value]):
    """Keeps values of one kind, such as `post`; one that `keeps` declines is made each time."""

    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        kind: str,
        type_: type[Value],
        *,
        seconds: float,
        keeps: Callable[[Value], bool] = lambda _: True,
    ) -> None:
        self._redis = redis
        self._clock = clock
        self._kind = kind
        self._seconds = seconds
        self._keeps = keeps
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(type_).decode
        self._making: dict[str, asyncio.Task[Value]] = {}
        self._reading: dict[str, asyncio.Task[tuple[bytes, Kept | None]]] = {}

    async def get(self, name: str, make: Callable[[], Awaitable[Value]]) -> Value:
        """Give a value, making it if it is not kept or has been forgotten.

        What `make` raises is raised to whoever waits for it, and nothing is kept.
        """
        try:
            version, kept = await self._read_together(name)
        except (RedisError, OSError):
            self._count("away")
            return await self._make_alone(name, make, None)
        if kept is None:
            self._count("miss")
            return await self._make_alone(name, make, version)
        if self._is_due(kept):
            self._count("early")
            self._start(name, make, version, wait=False)
        else:
            self._count("kept")
        return self._decode(kept.value)

    async def forget(self, name: str) -> None:
        """Let nobody be given what was made of this name until now.

        Raises:
            RedisError: it could not be said; it must be said again.

        """
        self._reading.pop(name, None)
        # Not by one, which a version that was lost and begun anew could come to again.
        await self._redis.incrby(self._version_key(name), 1 + secrets.randbits(20))
        await self._redis.pexpire(self._version_key(name), self._version_ms())

    async def close(self) -> None:
        """Stop making what nobody waits for."""
        for task in list(self._making.values()):
            task.cancel()
        await asyncio.gather(*self._making.values(), return_exceptions=True)

    def _count(self, source: str) -> None:
        reads.labels(self._kind, source).inc()

    def _is_due(self, kept: Kept) -> bool:
        """Whether to make a value anew although it is still good."""
        # 1 - random() is never 0, which has no logarithm.
        early = kept.took * BETA * -math.log(1.0 - random.random())  # noqa: S311
        return self._now() + early >= kept.expires

    async def _read_together(self, name: str) -> tuple[bytes, Kept | None]:
        """Look once for all who ask while the answer is under way."""
        task = self._reading.get(name)
        if task is None:
            task = self._reading[name] = asyncio.create_task(self._read(name))
            task.add_done_callback(lambda done: self._read_done(name, done))
        return await asyncio.shield(task)

    def _read_done(self, name: str, task: asyncio.Task[tuple[bytes, Kept | None]]) -> None:
        if self._reading.get(name) is task:
            del self._reading[name]
        if not task.cancelled():
            task.exception()

    async def _read(self, name: str) -> tuple[bytes, Kept | None]:
        keys = (self._version_key(name), self._key(name))
        values = (str(secrets.randbits(50)), str(self._version_ms()))
        async with asyncio.timeout(_ANSWER_SECONDS):
            try:
                version, raw = await self._redis.evalsha(_READ_SHA, 2, *keys, *values)
            except NoScriptError:
                version, raw = await self._redis.eval(_READ, 2, *keys, *values)
        kept = None if raw is None else msgspec.msgpack.decode(raw, type=Kept)
        if kept is not None and (kept.version != version or kept.expires <= self._now()):
            kept = None
        return version, kept

    async def _make_alone(
        self, name: str, make: Callable[[], Awaitable[Value]], version: bytes | None
    ) -> Value:
        # Shielded: whoever goes away takes the value from nobody else.
        return await asyncio.shield(self._start(name, make, version, wait=True))

    def _start(
        self,
        name: str,
        make: Callable[[], Awaitable[Value]],
        version: bytes | None,
        *,
        wait: bool,
    ) -> asyncio.Task[Value]:
        """Have one task of this process make a value of this name and version."""
        place = f"{name}/{version!r}"
        task = self._making.get(place)
        if task is None:
            task = asyncio.create_task(self._run(name, make, version, wait=wait))
            self._making[place] = task
            task.add_done_callback(lambda done: self._done(place, done))
        return task

    def _done(self, place: str, task: asyncio.Task[Value]) -> None:
        self._making.pop(place, None)
        if not task.cancelled():
            # Whoever waits is told; a failure behind an old value shows at the next attempt.
            task.exception()

    async def _run(
        self,
        name: str,
        make: Callable[[], Awaitable[Value]],
        version: bytes | None,
        *,
        wait: bool,
    ) -> Value:
        if version is None:
            return await self._make(make)
        token = secrets.token_hex(8)
        leased = await self._lease(name, token)
        if not leased and wait:
            found = await self._wait(name, version, token)
            if found is not None:
                return found
        elif not leased:
            raise _OthersMakeItError
        try:
            began = self._now()
            value = await self._make(make)
            await self._keep(name, version, self._now() - began, value)
        finally:
            await self._end_lease(name, token)
        return value

    async def _make(self, make: Callable[[], Awaitable[Value]]) -> Value:
        made.labels(self._kind).inc()
        return await make()

    async def _wait(self, name: str, version: bytes, token: str) -> Value | None:
        """Wait for what another process makes; None when that one has given up."""
        while True:
            await asyncio.sleep(_PAUSE_SECONDS)
            try:
                _, kept = await self._read(name)
                if kept is not None and kept.version == version:
                    return self._decode(kept.value)
                if await self._lease(name, token):
                    return None
            except (RedisError, OSError):
                return None

    async def _keep(self, name: str, version: bytes, took: float, value: Value) -> None:
        if not self._keeps(value):
            return
        kept = Kept(version, self._now() + self._seconds, took, self._encode(value))
        raw = msgspec.msgpack.encode(kept)
        if len(raw) > MOST_BYTES:
            return
        await self._try(self._redis.set(self._key(name), raw, px=int(self._seconds * 1000)))

    async def _lease(self, name: str, token: str) -> bool:
        lease = self._redis.set(
            f"{self._key(name)}:lease", token, nx=True, px=int(LEASE_SECONDS * 1000)
        )
        try:
            return bool(await lease)
        except (RedisError, OSError):
            return True

    async def _end_lease(self, name: str, token: str) -> None:
        await self._try(self._redis.eval(_END_LEASE, 1, f"{self._key(name)}:lease", token))

    @staticmethod
    async def _try(command: Awaitable[object]) -> None:
        """What is not kept, or leased for a moment too long, is no reason to refuse anybody."""
        try:
            await command
        except (RedisError, OSError):
            return

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _version_ms(self) -> int:
        return int(self._seconds * _VERSION_LIVES * 1000)

    def _key(self, name: str) -> str:
        return f"{self._kind}:{name}"

    def _version_key(self, name: str) -> str:
        return f"ver:{self._kind}:{name}"


class _OthersMakeItError(Exception):
    """Another process is making the value anew, and the old one serves."""
