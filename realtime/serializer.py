"""The wire forms of Phoenix: V2 arrays and binary frames, V1 objects, and which one is meant."""

import re
from collections.abc import Collection
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from realtime.frame import HEADS, USUAL, Wire, header
from realtime.message import Message, Packed, Ref, Reply, Unread

_PUSH, _REPLY, _BROADCAST = 0, 1, 2
_FIELD_BYTES = 255
_HEAD_BYTES = 5
_json = msgspec.json.Encoder()
_encode = _json.encode
_array = msgspec.json.Decoder(Message)  # elements over five are ignored, fewer are refused
_decode_array = _array.decode
_decode_unread = msgspec.json.Decoder(Unread).decode
_decode_any = msgspec.json.Decoder(Any).decode


class Malformed(Exception):
    """A message that says nothing the protocol knows."""


class Serializer(Protocol):
    """One version of the wire form."""

    vsn: str

    def decode(self, data: str | bytes) -> Message:
        """Read what a client sent."""

    def encode(self, message: Message | Reply) -> Wire:
        """Write for one client."""

    def broadcast(self, topic: str, event: str, payload: Packed) -> Wire | None:
        """Write for everyone on a topic."""


class V2:
    """Arrays of five and binary frames: what phoenix.js has spoken since 1.4."""

    vsn = "2.0.0"

    def decode(self, data: str | bytes) -> Message:
        """Read an array of five or more, or a binary push."""
        if isinstance(data, bytes):
            return _binary_push(data)
        try:
            return _decode_array(data)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise Malformed(f"not a message of version 2: {type(error).__name__}") from error

    def encode(self, message: Message | Reply) -> Wire:
        """Write an array, or a binary frame when the payload is bytes."""
        if isinstance(message, Reply):
            return self._reply(message)
        if isinstance(message.payload, bytes):
            fields = [("join_ref", message.join_ref), ("topic", message.topic)]
            return _binary(_PUSH, [*fields, ("event", message.event)], message.payload)
        return Wire(_json.encode(message))

    def _reply(self, reply: Reply) -> Wire:
        head = reply.join_ref, reply.ref, reply.topic
        if isinstance(reply.response, bytes):
            fields = list(zip(("join_ref", "ref", "topic"), head, strict=True))
            return _binary(_REPLY, [*fields, ("status", reply.status)], reply.response)
        payload = {"status": reply.status, "response": reply.response}
        return Wire(_json.encode((*head, "phx_reply", payload)))

    def broadcast(self, topic: str, event: str, payload: Packed) -> Wire:
        """Write what is the same for every subscriber: no refs."""
        if isinstance(payload, bytes):
            return _binary(_BROADCAST, [("topic", topic), ("event", event)], payload)
        return Wire(_json.encode((None, None, topic, event, payload)))


class _Object(Struct, frozen=True):
    topic: str
    event: str
    payload: Any
    ref: Any
    join_ref: Any = None


_object_of_four = msgspec.json.Decoder(_Object)


class V1:
    """Objects of four keys: what clients speak that name no version."""

    vsn = "1.0.0"

    def decode(self, data: str | bytes) -> Message:
        """Read an object with topic, event, payload and ref."""
        if isinstance(data, bytes):
            raise Malformed("version 1 has no binary frames")
        try:
            read = _object_of_four.decode(data)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise Malformed(f"not a message of version 1: {type(error).__name__}") from error
        return Message(read.join_ref, read.ref, read.topic, read.event, read.payload)

    def encode(self, message: Message | Reply) -> Wire:
        """Write an object, which never names a join_ref."""
        match message:
            case Reply(_, ref, topic, status, response):
                payload: Any = {"status": status, "response": _no_bytes(response)}
                return _object(topic, "phx_reply", payload, ref)
            case Message(_, ref, topic, event, payload):
                return _object(topic, event, _no_bytes(payload), ref)

    def broadcast(self, topic: str, event: str, payload: Packed) -> Wire | None:
        """Write for everyone on a topic; bytes cannot be told to a client of this version."""
        if isinstance(payload, bytes):
            return None
        return _object(topic, event, payload, None)


V1_SERIALIZER, V2_SERIALIZER = V1(), V2()


def decode_around(raw: Collection[str], data: str | bytes) -> Message:
    """Read a message of version 2; the payload of an event in `raw` is left as it was written."""
    if isinstance(data, bytes):
        return _binary_push(data)
    try:
        message = _decode_unread(data)
        if message.event in raw:
            return message
        payload = _decode_any(message.payload)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Malformed(f"not a message of version 2: {type(error).__name__}") from error
    return Message(message.join_ref, message.ref, message.topic, message.event, payload)


def reply_frame(join_ref: Ref, ref: Ref, topic: str, status: str, response: Any) -> bytes:
    """Write a reply of version 2 as a complete frame, with nothing made on the way."""
    if isinstance(response, bytes):
        return V2_SERIALIZER.encode(Reply(join_ref, ref, topic, status, response)).framed
    payload = {"status": status, "response": response}
    data = _encode((join_ref, ref, topic, "phx_reply", payload))
    size = len(data)
    return (HEADS[size] if size < USUAL else header(size, binary=False)) + data


# Elixir's `~> 1.0.0` and `~> 2.0.0` over strict semantic versions.
_NUMBER = r"(?:0|[1-9]\d*)"
_VSN = re.compile(rf"([12])\.0\.({_NUMBER})(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?", re.ASCII)


def negotiate(vsn: object) -> Serializer | None:
    """Return the serializer that a connecting client's `vsn` asks for."""
    match = _VSN.fullmatch(vsn) if isinstance(vsn, str) else None
    if match is None or (match[2] == "0" and match[3]):
        return None
    return V1_SERIALIZER if match[1] == "1" else V2_SERIALIZER


def check_names(topic: str, event: str, payload: Packed) -> None:
    """Refuse at the sender, with a ValueError, what no receiver could be sent."""
    for name, value in (("topic", topic), ("event", event)):
        size = len(value.encode())
        if size > _FIELD_BYTES and isinstance(payload, bytes):
            raise ValueError(f"the {name} of a binary frame is {size} bytes long, over 255")


def _binary_push(data: bytes) -> Message:
    """Kind 0 from a client: five bytes of sizes, four names, the rest is the payload."""
    if len(data) < _HEAD_BYTES or data[0] != _PUSH:
        raise Malformed("not a binary push")
    fields: list[str] = []
    place = _HEAD_BYTES
    for size in data[1:_HEAD_BYTES]:
        field = data[place : place + size]
        place += size
        try:
            fields.append(field.decode())
        except UnicodeDecodeError as error:
            raise Malformed("a binary push with a name that is not UTF-8") from error
    if place > len(data):
        raise Malformed("a binary push shorter than its header says")
    join_ref, ref, topic, event = fields
    return Message(join_ref, ref, topic, event, data[place:])


def _binary(kind: int, fields: list[tuple[str, Any]], data: bytes) -> Wire:
    names = [_field(name, value) for name, value in fields]
    sizes = bytes(len(name) for name in names)
    return Wire(b"".join((bytes((kind,)), sizes, *names, data)), binary=True)


def _field(name: str, value: Any) -> bytes:
    encoded = str("" if value is None else value).encode()
    if len(encoded) > _FIELD_BYTES:
        raise ValueError(f"the {name} of a binary frame is {len(encoded)} bytes long, over 255")
    return encoded


def _object(topic: str, event: str, payload: Any, ref: Any) -> Wire:
    return Wire(_json.encode({"topic": topic, "event": event, "payload": payload, "ref": ref}))


def _no_bytes(payload: Any) -> Any:
    if isinstance(payload, bytes):
        refusal = "a client of version 1 cannot be sent a binary payload"
        raise ValueError(refusal)  # noqa: TRY004 - the version is at fault, not the type
    return payload
