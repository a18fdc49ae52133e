"""A broadcaster backend that stays alive, and says when it was not.

broadcaster's own ends for good at the first broken connection, keeps queues without a bound and
decodes bytes. This one reconnects with full jitter, subscribes again to everything, marks the
gap, finds out by a probe when a connection is only half alive, and hands out more only when the
reader took the last.
"""

# mypy: disable-error-code="explicit-override"
# typing.override is newer than Python 3.11, and the library needs no typing_extensions.

import asyncio
import math
import random
import secrets
from collections import deque
from typing import Any, Final

from broadcaster import BroadcastBackend, Event
from msgspec import Struct
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from realtime.guard import Raised, guarded
from realtime.pubsub.port import PublishFailed
from realtime.telemetry import PublishRefused, PubSubLost, PubSubRestored, Telemetry

GAP: Final = object()
_PUBLISHES_AT_ONCE = 500
_Trouble = (RedisError, OSError, TimeoutError)


class Pace(Struct, frozen=True, kw_only=True):
    """How long the Redis adapter waits for what, and how much it keeps."""

    probe_interval_s: float = 1.5
    probe_timeout_s: float = 5.0
    backoff_min_s: float = 0.05
    backoff_max_s: float = 5.0
    connect_timeout_s: float = 5.0
    publish_timeout_s: float = 2.0
    start_s: float = 5.0
    max_publishing: int = 10_000
    max_arrived: int = 1_000


class SupervisedBackend(BroadcastBackend):
    """Bytes in and out of Redis channels; every event's message is a list of them, or GAP."""

    def __init__(
        self, url: str, prefix: str, pace: Pace, telemetry: Telemetry, *, listen: bool
    ) -> None:
        self.private = f"{prefix}:node:{secrets.token_hex(6)}"
        self._pace = pace
        self._telemetry = telemetry
        self._listen = listen
        self._client = Redis.from_url(
            url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=pace.publish_timeout_s,
            socket_connect_timeout=pace.connect_timeout_s,
        )
        self._channels: set[str] = set()
        self._arrived: deque[tuple[str, Any]] = deque()
        self._arrival = asyncio.Event()
        self._room = asyncio.Event()
        self._taken = asyncio.Event()
        self._connected = asyncio.Event()
        self._connection: AbstractConnection | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._publishing: deque[tuple[str, bytes, asyncio.Future[None]]] = deque()
        self._publisher: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None
        self._lost_at: float | None = None
        self._attempts = 0

    @property
    def connected(self) -> bool:
        """Whether the subscription stands."""
        return self._connected.is_set()

    # What broadcaster asks of it.

    async def connect(self) -> None:
        """Nothing yet: the subscription begins when its channels are known."""
        self._taken.set()
        self._room.set()

    async def disconnect(self) -> None:
        """End everything and close the connections."""
        tasks = [task for task in (self._supervisor, self._publisher) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._supervisor = self._publisher = None
        self._connected.clear()
        await self._client.aclose()

    async def subscribe(self, group: str) -> None:
        """Want a channel; it is subscribed again after every reconnect."""
        self._channels.add(group)
        if self._connection is not None:
            await self._connection.send_command("SUBSCRIBE", group)

    async def unsubscribe(self, group: str) -> None:
        """Want a channel no more."""
        self._channels.discard(group)

    async def publish(self, channel: str, message: bytes) -> None:
        """Send in the order of the calls; raises PublishFailed."""
        if len(self._publishing) >= self._pace.max_publishing:
            self._telemetry.emit(PublishRefused("too many at once", 1))
            raise PublishFailed
        done = asyncio.get_running_loop().create_future()
        self._publishing.append((channel, message, done))
        if self._publisher is None:
            self._publisher = asyncio.create_task(self._publish())
        await done

    async def next_published(self) -> Event:
        """Return what has arrived on one channel, once the reader took what was before."""
        await self._taken.wait()
        while not self._arrived:
            self._arrival.clear()
            await self._arrival.wait()
        self._taken.clear()
        channel, message = self._arrived.popleft()
        if message is not GAP:
            message = [message]
            while self._arrived and self._arrived[0][0] == channel:
                message.append(self._arrived.popleft()[1])
        self._room.set()
        return Event(channel, message)

    # What our own reader asks of it.

    def taken(self) -> None:
        """Take notice that the reader has done with the last event."""
        self._taken.set()

    async def wait_connected(self) -> None:
        """Begin, and wait a while for the first connection."""
        if self._listen and self._supervisor is None:
            self._supervisor = asyncio.create_task(self._supervise())
            try:
                async with asyncio.timeout(self._pace.start_s):
                    await self._connected.wait()
            except TimeoutError:
                return  # it goes on trying; `connected` tells

    # Inside: listening.

    async def _supervise(self) -> None:
        while True:
            result = await guarded(self._listen_once())
            error = result.error if isinstance(result, Raised) else EOFError()
            self._lost(f"{type(error).__name__}: {error}")
            ceiling = min(
                self._pace.backoff_max_s, self._pace.backoff_min_s * 2 ** min(self._attempts, 20)
            )
            self._attempts += 1
            await asyncio.sleep(random.uniform(self._pace.backoff_min_s, ceiling))  # noqa: S311

    async def _listen_once(self) -> None:
        """Connect, subscribe to everything, read until it breaks."""
        pool: Any = self._client.connection_pool
        connection: Any = pool.make_connection()
        try:
            async with asyncio.timeout(self._pace.connect_timeout_s):
                await connection.connect()
                await connection.send_command("SUBSCRIBE", *sorted(self._channels))
                for _ in range(len(self._channels)):
                    await connection.read_response(disable_decoding=True)
            self._connection = connection
            await self._restored()
            self._probing = asyncio.create_task(self._probe())
            await self._read(connection)
        finally:
            self._connection = None
            if self._probing is not None:
                self._probing.cancel()
            await connection.disconnect(nowait=True)

    async def _read(self, connection: AbstractConnection) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(None) as silence:
            while True:
                # Waiting for our own reader is not the silence of Redis.
                silence.reschedule(None)
                while len(self._arrived) >= self._pace.max_arrived:
                    self._room.clear()
                    await self._room.wait()
                silence.reschedule(loop.time() + self._pace.probe_timeout_s)
                kind, channel, data = await connection.read_response(
                    disable_decoding=True, timeout=math.inf
                )
                name = channel.decode()
                if kind == b"message" and name != self.private:
                    self._arrive(name, data)

    async def _probe(self) -> None:
        """Say something to ourselves, so that silence means a dead connection."""
        while True:
            await asyncio.sleep(self._pace.probe_interval_s)
            try:
                await self.publish(self.private, b"")
            except PublishFailed:
                continue  # the echo stays away, and that is what counts

    def _arrive(self, channel: str, data: Any) -> None:
        self._arrived.append((channel, data))
        self._arrival.set()

    def _lost(self, reason: str) -> None:
        if self._connected.is_set():
            self._connected.clear()
            self._lost_at = asyncio.get_running_loop().time()
            self._telemetry.emit(PubSubLost(reason))

    async def _restored(self) -> None:
        self._connected.set()
        if self._attempts:
            await self._client.connection_pool.disconnect(inuse_connections=False)
            now = asyncio.get_running_loop().time()
            seconds = 0.0 if self._lost_at is None else now - self._lost_at
            self._telemetry.emit(PubSubRestored(seconds, self._attempts))
            self._arrive(self.private, GAP)
        self._attempts = 0

    # Inside: publishing.

    async def _publish(self) -> None:
        """Send what was asked for meanwhile in one round trip, in order."""
        batch: list[tuple[str, bytes, asyncio.Future[None]]] = []
        try:
            while self._publishing:
                count = min(len(self._publishing), _PUBLISHES_AT_ONCE)
                batch = [self._publishing.popleft() for _ in range(count)]
                await self._publish_batch(batch)
        finally:
            self._publisher = None
            self._refuse([*batch, *self._publishing], "stopped")
            self._publishing.clear()

    async def _publish_batch(self, batch: list[tuple[str, bytes, asyncio.Future[None]]]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for channel, message, _ in batch:
            pipeline.publish(channel, message)
        try:
            async with asyncio.timeout(self._pace.publish_timeout_s):
                await pipeline.execute()
        except _Trouble as error:
            self._refuse(batch, f"{type(error).__name__}: {error}")
            return
        for _, _, done in batch:
            if not done.done():
                done.set_result(None)

    def _refuse(self, batch: list[tuple[str, bytes, asyncio.Future[None]]], reason: str) -> None:
        waiting = [done for _, _, done in batch if not done.done()]
        for done in waiting:
            done.set_exception(PublishFailed())
        if waiting:
            self._telemetry.emit(PublishRefused(reason, len(waiting)))
