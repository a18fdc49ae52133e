"""What trackers say to each other, as MessagePack on one topic that all of them hear."""

from typing import TypeAlias

import msgspec
from msgspec import Struct

from realtime.presence.state import Delta


class Heartbeat(Struct, frozen=True, array_like=True, tag="beat"):
    """A replica is there, has done this much, and did this lately."""

    replica: str
    clock: int
    delta: Delta | None = None
    hello: bool = False  # asks all others for a heartbeat


class Ask(Struct, frozen=True, array_like=True, tag="ask"):
    """One replica needs what another did after a number."""

    replica: str
    asker: str
    since: int


class Transfer(Struct, frozen=True, array_like=True, tag="transfer"):
    """What was asked for."""

    asker: str
    delta: Delta


class Goodbye(Struct, frozen=True, array_like=True, tag="bye"):
    """A replica stops for good."""

    replica: str


Said: TypeAlias = Heartbeat | Ask | Transfer | Goodbye

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Said] = msgspec.msgpack.Decoder(Said)


def to_bytes(said: Said) -> bytes:
    """Write for other nodes."""
    return _encoder.encode(said)


def from_bytes(data: bytes) -> Said:
    """Read what another node wrote; raises msgspec.DecodeError for what is none."""
    return _decoder.decode(data)
