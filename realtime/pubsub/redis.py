"""The port over Redis: broadcaster carries the bytes, a supervised backend keeps it alive."""

import asyncio
import zlib
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import msgspec
from broadcaster import Broadcast

from realtime.guard import Raised, guarded_call
from realtime.pubsub.port import Envelope, from_bytes, to_bytes
from realtime.pubsub.redis_backend import GAP, Pace, SupervisedBackend
from realtime.telemetry import ChannelCrashed, MalformedReceived, Telemetry


class RedisPubSub:
    """Every broadcast goes through Redis, to its own node too: one order for all subscribers.

    A broadcast that Redis does not take raises PublishFailed and reaches nobody.
    """

    def __init__(
        self,
        url: str,
        *,
        shards: int = 4,
        subscribe: bool = True,
        prefix: str = "realtime",
        pace: Pace = Pace(),  # noqa: B008 - frozen
        telemetry: Telemetry | None = None,
    ) -> None:
        self.telemetry = telemetry or Telemetry()
        self._subscribe = subscribe
        self._channels = [f"{prefix}:{shard}" for shard in range(shards)]
        self._backend = SupervisedBackend(url, prefix, pace, self.telemetry, listen=subscribe)
        self._broadcast = Broadcast(backend=self._backend)
        self._attached: list[tuple[Callable[[Envelope], None], Callable[[], None]]] = []
        self._readers: list[asyncio.Task[None]] = []
        self._open = AsyncExitStack()

    @property
    def connected(self) -> bool:
        """Whether what others publish arrives here now."""
        return self._backend.connected

    async def start(self) -> None:
        """Begin to deliver; if Redis is away, go on trying in the background."""
        await self._broadcast.connect()
        if self._subscribe:
            for channel in (self._backend.private, *self._channels):
                source = await self._open.enter_async_context(self._broadcast.subscribe(channel))
                self._readers.append(asyncio.create_task(self._read(source)))
            await self._backend.wait_connected()

    async def stop(self) -> None:
        """Deliver nothing more."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        self._readers.clear()
        await self._open.aclose()
        await self._broadcast.disconnect()

    def attach(
        self, deliver: Callable[[Envelope], None], gap: Callable[[], None]
    ) -> Callable[[], None]:
        """Call these until the returned function is called."""
        both = (deliver, gap)
        self._attached.append(both)
        return lambda: self._attached.remove(both)

    async def publish(self, envelope: Envelope) -> None:
        """Send to every node; raises PublishFailed."""
        shard = zlib.crc32(envelope.topic.encode()) % len(self._channels)
        await self._broadcast.publish(self._channels[shard], to_bytes(envelope))

    async def _read(self, source: Any) -> None:
        """Take what the backend hands out, and say so: only then does it hand out more."""
        while True:
            event = await source.get()
            if event.message is GAP:
                for _, gap in tuple(self._attached):
                    self._call(gap)
            else:
                for data in event.message:
                    self._deliver(data)
            self._backend.taken()

    def _deliver(self, data: bytes) -> None:
        try:
            envelope = from_bytes(data)
        except msgspec.DecodeError:
            self.telemetry.emit(MalformedReceived("not an envelope, between nodes"))
            return
        for deliver, _ in tuple(self._attached):
            self._call(deliver, envelope)

    def _call(self, function: Callable[..., None], *arguments: Envelope) -> None:
        """Call what is attached; this task must outlive whatever it raises."""
        result = guarded_call(function, *arguments)
        if isinstance(result, Raised):
            self.telemetry.emit(ChannelCrashed("", "deliver", result.error))
