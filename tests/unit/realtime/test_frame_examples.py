"""`realtime.frame`: heads at each size, and what is made once."""

import struct

import pytest

from realtime import frame
from realtime.frame import Frame, Wire, header
from realtime.message import pack
from realtime.serializer import V1_SERIALIZER as V1
from realtime.serializer import V2_SERIALIZER as V2

HEADS = [
    (0, b"\x81\x00"),
    (1, b"\x81\x01"),
    (125, b"\x81\x7d"),
    (126, b"\x81\x7e\x00\x7e"),
    (65_535, b"\x81\x7e\xff\xff"),
    (65_536, b"\x81\x7f" + struct.pack("!Q", 65_536)),
]


@pytest.mark.parametrize(("size", "head"), HEADS)
def test_a_text_for_one_client_has_the_head_of_any_other(size: int, head: bytes) -> None:
    assert size >= len(frame.HEADS) or frame.HEADS[size] == head
    assert header(size, binary=False) == head


@pytest.mark.parametrize("binary", [False, True])
def test_the_forms_of_a_wire_are_made_once(binary: bool) -> None:
    wire = Wire(b"abc", binary=binary)
    assert wire.framed == (b"\x82" if binary else b"\x81") + b"\x03abc"
    assert wire.framed is wire.framed
    assert wire.text == "abc"
    assert wire.text is wire.text
    assert (wire.binary, wire.data) == (binary, b"abc")


def test_a_wire_is_text_unless_it_says_otherwise() -> None:
    assert Wire(b"").binary is False
    assert Wire(b"").framed == b"\x81\x00"


def test_a_frame_knows_what_it_is_and_when_it_was_published() -> None:
    frame = Frame("t", "e", pack({}), 12.5)
    assert (frame.topic, frame.event, frame.at) == ("t", "e", 12.5)
    assert Frame("t", "e", b"").at == 0.0


def test_what_a_version_cannot_say_is_asked_for_once() -> None:
    asked = []

    class Counting:
        def broadcast(self, topic: str, _event: str, _payload: object) -> Wire | None:
            asked.append(topic)
            return None

    frame, counting = Frame("t", "e", b""), Counting()
    assert frame.wire(counting) is None
    assert frame.wire(counting) is None
    assert asked == ["t"]
    assert frame.wire(V1) is None
    assert frame.wire(V2) is not None
