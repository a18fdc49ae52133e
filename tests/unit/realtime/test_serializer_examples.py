"""`realtime.serializer`: the edges of its sizes, and what its ways of reading and writing share."""

import json
from typing import Any

import msgspec
import pytest

from realtime.message import Message, Reply, pack
from realtime.serializer import V1_SERIALIZER as V1
from realtime.serializer import V2_SERIALIZER as V2
from realtime.serializer import Malformed, check_names, decode_around, reply_frame

PLAIN = '["1","2","t","e",{"a":[1]}]'
LONG, LONGEST = "é" * 128, "x" * 255


def test_what_they_are_called() -> None:
    assert (V1.vsn, V2.vsn) == ("1.0.0", "2.0.0")


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (Message(LONG, None, "t", "e", b""), "join_ref"),
        (Message("1", None, LONG, "e", b""), "topic"),
        (Message("1", None, "t", LONG, b""), "event"),
        (Reply(LONG, "2", "t", "ok", b""), "join_ref"),
        (Reply("1", LONG, "t", "ok", b""), "ref"),
        (Reply("1", "2", LONG, "ok", b""), "topic"),
        (Reply("1", "2", "t", LONG, b""), "status"),
    ],
)
def test_a_name_too_long_for_a_binary_frame_is_called_by_its_name(
    message: Message | Reply, name: str
) -> None:
    with pytest.raises(ValueError, match=f"the {name} of a binary frame is 256 bytes long"):
        V2.encode(message)


def test_a_broadcast_with_names_too_long_is_refused_by_name() -> None:
    for topic, event, name in ((LONG, "e", "topic"), ("t", LONG, "event")):
        with pytest.raises(ValueError, match=f"the {name} of a binary frame is 256 bytes long"):
            V2.broadcast(topic, event, b"")


def test_255_bytes_are_not_too_long() -> None:
    check_names(LONGEST, LONGEST, b"")
    wire = V2.encode(Message(LONGEST, None, "t", "e", b"!"))
    assert wire.data == b"\x00\xff\x01\x01" + LONGEST.encode() + b"te!"


def test_what_is_null_is_empty_in_a_binary_frame() -> None:
    assert V2.encode(Message(None, None, "t", "e", b"!")).data == b"\x00\x00\x01\x01te!"
    assert V2.encode(Reply(None, None, "t", "ok", b"!")).data == b"\x01\x00\x00\x01\x02tok!"


def test_the_shortest_binary_push() -> None:
    assert V2.decode(b"\x00\x00\x00\x00\x00") == Message("", "", "", "", b"")
    assert V2.decode(b"\x00\x00\x00\x00\x01e") == Message("", "", "", "e", b"")
    for data in (b"\x00\x00\x00\x00", b"\x00\x00\x00\x00\x01"):
        with pytest.raises(Malformed):
            V2.decode(data)


def test_version_1_reads_no_bytes_even_where_they_would_be_json() -> None:
    with pytest.raises(Malformed):
        V1.decode(b'{"topic":"t","event":"e","payload":{},"ref":null}')


def test_a_broadcast_of_version_1() -> None:
    wire = V1.broadcast("t", "e", pack({"a": 1}))
    assert wire is not None
    assert json.loads(wire.data) == {"topic": "t", "event": "e", "payload": {"a": 1}, "ref": None}


def test_what_version_1_cannot_say_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match=r"^a client of version 1 cannot .* a binary payload$"):
        V1.encode(Message("1", None, "t", "e", b""))


def test_a_payload_may_be_left_as_it_was_written() -> None:
    read = decode_around({"e"}, PLAIN)
    assert (read.join_ref, read.ref, read.topic, read.event) == ("1", "2", "t", "e")
    assert bytes(read.payload) == b'{"a":[1]}'
    assert isinstance(read.payload, msgspec.Raw)
    assert decode_around({"other"}, PLAIN) == V2.decode(PLAIN) == Message(*json.loads(PLAIN))
    binary = b"\x00\x01\x01\x01\x0112te!"
    assert decode_around({"e"}, binary) == V2.decode(binary) == Message("1", "2", "t", "e", b"!")


@pytest.mark.parametrize("data", ["[", "{}", '["1","2","t","e"]', '["1","2","t","e",{]', b"\x07"])
@pytest.mark.parametrize("raw", [set(), {"e"}])
def test_nothing_malformed_is_left_as_it_was_written(data: Any, raw: set[str]) -> None:
    with pytest.raises(Malformed):
        decode_around(raw, data)


@pytest.mark.parametrize("response", [{"a": 1}, [], None, b"", b"\x01\x02", {"long": "x" * 70_000}])
def test_a_reply_written_at_once_is_the_one_that_is_written_in_steps(response: Any) -> None:
    reply = Reply("1", "2", "t", "ok", response)
    assert reply_frame("1", "2", "t", "ok", response) == V2.encode(reply).framed
