"""What travels: a message, the reply to one, and a broadcast to many."""

from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct

# Any JSON value: phoenix.js sends strings, and the server echoes whatever came.
Ref: TypeAlias = Any
# What is ready for the wire: JSON that is not looked at again, or the bytes of a binary frame.
Packed: TypeAlias = Raw | bytes


class Message(Struct, frozen=True, array_like=True):
    """One event on one topic, from or to one client; as JSON it is the array that V2 sends."""

    join_ref: Ref
    ref: Ref
    topic: str
    event: str
    payload: Any


class Unread(Message, frozen=True, array_like=True):
    """A message whose payload is valid JSON that nobody has looked into yet."""

    payload: Raw


class Reply(Struct, frozen=True):
    """The answer to the message that carried `ref`."""

    join_ref: Ref
    ref: Ref
    topic: str
    status: str
    response: Any


class Broadcast(Struct, frozen=True):
    """One event for everyone on a topic, its payload not decoded yet."""

    topic: str
    event: str
    payload: Packed

    def decode(self, type: Any = Any) -> Any:  # noqa: A002 - as msgspec calls it
        """Return the payload as a value of `type`; the bytes themselves of a binary one."""
        if isinstance(self.payload, bytes):
            return self.payload
        return msgspec.json.decode(self.payload, type=type)


def same_ref(one: Ref, other: Ref) -> bool:
    """Compare as Phoenix does, where 1, 1.0, true and "1" are four values."""
    return type(one) is type(other) and bool(one == other)


_json = msgspec.json.Encoder()


def pack(payload: Any) -> Packed:
    """Encode a payload once; what is encoded already passes through."""
    if isinstance(payload, (bytes, Raw)):
        return payload
    if isinstance(payload, (bytearray, memoryview)):
        return bytes(payload)
    return Raw(_json.encode(payload))
