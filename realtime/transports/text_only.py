"""Version 2 where the way to the client carries text only: long polls and event streams.

Phoenix cannot say bytes there at all. Here they arrive as `{"$binary": "<base64>"}` in the place
of the payload, or of a reply's response, under the very refs, topic and event of the binary frame.
"""

import base64
from typing import Any

from realtime.frame import Wire
from realtime.message import Message, Packed, Reply
from realtime.serializer import V2_SERIALIZER, Serializer

BINARY = "$binary"


class TextOnly:
    """What V2 says, in text."""

    vsn = V2_SERIALIZER.vsn

    def decode(self, data: str | bytes) -> Message:
        """Read what a client sent, binary frames among it."""
        return V2_SERIALIZER.decode(data)

    def encode(self, message: Message | Reply) -> Wire:
        """Write for one client."""
        match message:
            case Reply(join_ref, ref, topic, status, bytes(data)):
                return V2_SERIALIZER.encode(Reply(join_ref, ref, topic, status, _said(data)))
            case Message(join_ref, ref, topic, event, bytes(data)):
                return V2_SERIALIZER.encode(Message(join_ref, ref, topic, event, _said(data)))
            case _:
                return V2_SERIALIZER.encode(message)

    def broadcast(self, topic: str, event: str, payload: Packed) -> Wire | None:
        """Write for everyone on a topic."""
        if isinstance(payload, bytes):
            return V2_SERIALIZER.encode(Message(None, None, topic, event, _said(payload)))
        return V2_SERIALIZER.broadcast(topic, event, payload)


TEXT_ONLY = TextOnly()


def in_text(serializer: Serializer) -> Serializer:
    """Return the serializer of the same version that needs no binary frames."""
    return TEXT_ONLY if serializer is V2_SERIALIZER else serializer


def _said(data: bytes) -> dict[str, Any]:
    return {BINARY: base64.b64encode(data).decode()}
