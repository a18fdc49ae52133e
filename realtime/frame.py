"""Encoded messages, ready for a socket: made once, shared by as many as listen."""

import struct
from typing import Protocol

from realtime.message import Packed

_TEXT, _BINARY = 0x81, 0x82
_ONE_BYTE, _TWO_BYTES = 125, 0xFFFF  # the largest sizes that fit
USUAL = 1_024  # bytes of an answer; the heads of smaller ones are there already


class Wire:
    """One websocket message as bytes, with the forms that transports ask for made at most once."""

    __slots__ = ("_framed", "_text", "binary", "data")

    def __init__(self, data: bytes, *, binary: bool = False) -> None:
        self.data = data
        self.binary = binary
        self._framed: bytes | None = None
        self._text: str | None = None

    @property
    def framed(self) -> bytes:
        """The complete unmasked frame, for transports that take bytes as they are."""
        if self._framed is None:
            self._framed = header(len(self.data), binary=self.binary) + self.data
        return self._framed

    @property
    def text(self) -> str:
        """The message as ASGI wants it, when it is text."""
        if self._text is None:
            self._text = self.data.decode()
        return self._text


def header(size: int, *, binary: bool) -> bytes:
    """Return the head of a server's frame (RFC 6455 section 5.2: final, unmasked)."""
    opcode = _BINARY if binary else _TEXT
    if size <= _ONE_BYTE:
        return bytes((opcode, size))
    if size <= _TWO_BYTES:
        return struct.pack("!BBH", opcode, 126, size)
    return struct.pack("!BBQ", opcode, 127, size)


HEADS = tuple(header(size, binary=False) for size in range(USUAL))


class Encodes(Protocol):
    """The half of a serializer that a frame needs."""

    def broadcast(self, topic: str, event: str, payload: Packed) -> Wire | None:
        """Encode for everyone on a topic, or return None where the version has no way to say it."""


class Frame:
    """A broadcast, encoded at most once for each serializer."""

    __slots__ = ("_wires", "at", "event", "payload", "topic")

    def __init__(self, topic: str, event: str, payload: Packed, at: float = 0.0) -> None:
        self.topic = topic
        self.event = event
        self.payload = payload
        self.at = at
        self._wires: dict[Encodes, Wire | None] = {}

    def wire(self, serializer: Encodes) -> Wire | None:
        """Return the form for one serializer."""
        try:
            return self._wires[serializer]
        except KeyError:
            wire = serializer.broadcast(self.topic, self.event, self.payload)
            self._wires[serializer] = wire
            return wire
