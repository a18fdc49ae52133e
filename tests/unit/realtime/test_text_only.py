"""`realtime.transports.text_only`: bytes are said in text, and nothing else differs."""

import base64

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from realtime.message import Message, Reply
from realtime.serializer import V1_SERIALIZER, V2_SERIALIZER
from realtime.transports.text_only import TEXT_ONLY, in_text


@given(st.binary())
def test_bytes_come_as_base64_under_the_same_names(data: bytes) -> None:
    said = {"$binary": base64.b64encode(data).decode()}
    for wire, told in (
        (TEXT_ONLY.encode(Message("1", None, "t", "e", data)), ["1", None, "t", "e", said]),
        (TEXT_ONLY.broadcast("t", "e", data), [None, None, "t", "e", said]),
        (
            TEXT_ONLY.encode(Reply("1", "2", "t", "ok", data)),
            ["1", "2", "t", "phx_reply", {"status": "ok", "response": said}],
        ),
    ):
        assert wire is not None
        assert not wire.binary
        assert msgspec.json.decode(wire.data) == told


def test_text_is_what_version_2_makes_of_it() -> None:
    message, reply = Message("1", None, "t", "e", {"a": 1}), Reply("1", "2", "t", "ok", {})
    for said in (message, reply):
        assert TEXT_ONLY.encode(said).data == V2_SERIALIZER.encode(said).data
    told = TEXT_ONLY.broadcast("t", "e", Raw(b"{}"))
    assert told is not None
    assert told.data == b'[null,null,"t","e",{}]'
    push = b"\x00\x01\x01\x01\x0112te\xff"
    assert TEXT_ONLY.decode(push) == V2_SERIALIZER.decode(push)


def test_version_1_knows_no_bytes_anyway() -> None:
    assert in_text(V1_SERIALIZER) is V1_SERIALIZER
    assert in_text(V2_SERIALIZER) is TEXT_ONLY
