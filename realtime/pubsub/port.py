"""What the library asks of the way between nodes."""

import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import msgspec
from msgspec import Raw, Struct

from realtime.channel import Refused
from realtime.message import Packed, pack
from realtime.serializer import check_names
from realtime.telemetry import Telemetry


class Envelope(Struct, frozen=True, array_like=True):
    """One broadcast on its way: a short MessagePack array between nodes."""

    origin: str  # the node that published
    topic: str
    event: str
    data: bytes
    binary: bool
    exclude: int  # a member of `origin` that does not get it, or 0
    at: float  # when it was published, by the publisher's wall clock

    @property
    def payload(self) -> Packed:
        """The payload as it was packed."""
        return self.data if self.binary else Raw(self.data)


def seal(origin: str, topic: str, event: str, payload: object, exclude: int = 0) -> Envelope:
    """Encode a broadcast once, for all nodes; raises for what no client could be sent."""
    packed = pack(payload)
    check_names(topic, event, packed)
    binary = isinstance(packed, bytes)
    return Envelope(origin, topic, event, bytes(packed), binary, exclude, time.time())


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Envelope)


def to_bytes(envelope: Envelope) -> bytes:
    """Write an envelope for another node."""
    return _encoder.encode(envelope)


def from_bytes(data: bytes) -> Envelope:
    """Read what another node wrote; raises msgspec.DecodeError for what is none."""
    return _decoder.decode(data)


class PublishFailed(Refused):
    """A broadcast did not get out. It reached nobody, here or elsewhere; the caller may repeat it.

    Unhandled in `handle_in` it answers the client with reason "unavailable".
    """

    def __init__(self) -> None:
        super().__init__("unavailable")


class PubSub(Protocol):
    """Carries broadcasts to every node, the sender's own among them.

    Everyone attached gets what one node publishes in the order in which it was published,
    each at most once. After an outage `gap` is called before anything newer is delivered.
    """

    telemetry: Telemetry

    @property
    def connected(self) -> bool:
        """Whether what others publish arrives here now."""

    async def start(self) -> None:
        """Begin to deliver; returns when it does, or goes on trying in the background."""

    async def stop(self) -> None:
        """Deliver nothing more."""

    def attach(
        self, deliver: Callable[[Envelope], None], gap: Callable[[], None]
    ) -> Callable[[], None]:
        """Call these until the returned function is called."""

    def publish(self, envelope: Envelope) -> Coroutine[Any, Any, None]:
        """Send to everyone attached anywhere; raises PublishFailed."""
