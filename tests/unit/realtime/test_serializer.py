"""`realtime.serializer`: the wire forms, byte for byte (Phoenix V2 and V1)."""

import json
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from realtime.frame import Frame, Wire, header
from realtime.message import Message, Reply, pack
from realtime.serializer import V1_SERIALIZER as V1
from realtime.serializer import V2_SERIALIZER as V2
from realtime.serializer import Malformed, check_names, negotiate

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
NAMES = st.text(max_size=60)


def sent(wire: Wire | None) -> tuple[bytes, bool]:
    assert wire is not None
    return wire.data, wire.binary


@pytest.mark.parametrize(
    ("message", "data"),
    [
        (Message("5", None, "feed:1", "evt", {"x": 1}), b'["5",null,"feed:1","evt",{"x":1}]'),
        (
            Reply("5", "6", "feed:1", "ok", {}),
            b'["5","6","feed:1","phx_reply",{"status":"ok","response":{}}]',
        ),
        (
            Reply(None, "8", "phoenix", "ok", {}),
            b'[null,"8","phoenix","phx_reply",{"status":"ok","response":{}}]',
        ),
        (Message("5", "5", "feed:1", "phx_close", {}), b'["5","5","feed:1","phx_close",{}]'),
        (Message("5", None, "t", "e", msgspec.Raw(b'{"as": 1}')), b'["5",null,"t","e",{"as": 1}]'),
    ],
)
def test_v2_text(message: Message | Reply, data: bytes) -> None:
    assert sent(V2.encode(message)) == (data, False)


def test_v2_binary_push_as_captured_from_phoenix_js() -> None:
    data = bytes.fromhex("00 01 01 06 03 35 36 666565643a31 62696e 010203")
    assert V2.decode(data) == Message("5", "6", "feed:1", "bin", b"\x01\x02\x03")


def test_v2_binary_to_the_client() -> None:
    # A push has no ref, a reply says its status where a push says its event, a broadcast no refs.
    push = Message("5", None, "feed:1", "bin", b"\x01")
    assert sent(V2.encode(push)) == (b"\x00\x01\x06\x035feed:1bin\x01", True)
    reply = Reply("5", "6", "feed:1", "ok", b"\x01")
    assert sent(V2.encode(reply)) == (b"\x01\x01\x01\x06\x0256feed:1ok\x01", True)
    assert sent(V2.broadcast("feed:1", "bin", b"\x01")) == (b"\x02\x06\x03feed:1bin\x01", True)


def test_sizes_count_bytes_and_stop_at_255() -> None:
    assert V2.broadcast("é" * 100, "e", b"").data[1] == 200
    for topic, event, name in (("é" * 128, "e", "topic"), ("t", "e" * 256, "event")):
        with pytest.raises(ValueError, match=f"the {name} of a binary frame is 256 bytes"):
            check_names(topic, event, b"")
        check_names(topic, event, msgspec.Raw(b"{}"))


def test_v2_broadcast_is_the_same_for_everyone() -> None:
    data = b'[null,null,"feed:1","event",{"a":1}]'
    assert sent(V2.broadcast("feed:1", "event", pack({"a": 1}))) == (data, False)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "[]",
        "{}",
        "null",
        '["1","2","t","e"]',
        '["1","2",3,"e",{}]',
        '["1","2","t",null,{}]',
        "[" * 100_000,
        '["1","2","t","e",NaN]',
        '["1","2","t","\ud800",{}]',
        b"",
        b"\x00",
        b"\x00\x01\x01\x01",
        b"\x01\x00\x00\x00\x00",
        b"\x00\x02\x00\x00\x00a",
        b"\x00\x00\x00\x01\x00\xff",
    ],
)
def test_v2_malformed(data: str | bytes) -> None:
    with pytest.raises(Malformed):
        V2.decode(data)


def test_v2_more_than_five_elements_are_read_and_any_ref_is_kept() -> None:
    assert V2.decode('[1,{"a":2},"t","e",[],6,7]') == Message(1, {"a": 2}, "t", "e", [])


@given(JSON, JSON, NAMES, NAMES, JSON)
def test_v2_round_trip(join_ref: Any, ref: Any, topic: str, event: str, payload: Any) -> None:
    message = Message(join_ref, ref, topic, event, payload)
    assert V2.decode(V2.encode(message).text) == message


@given(st.text() | st.binary())
@example('["1","2","t","e",' + "[" * 3000)
def test_nothing_but_malformed_comes_out_of_any_input(data: str | bytes) -> None:
    for serializer in (V1, V2):
        try:
            read = serializer.decode(data)
        except Malformed:
            continue
        assert isinstance(read, Message)


def test_v1() -> None:
    message = V1.decode('{"topic":"t","event":"e","payload":1,"ref":"2"}')
    assert message == Message(None, "2", "t", "e", 1)
    message = V1.decode('{"topic":"t","event":"e","payload":{},"ref":null,"join_ref":"1"}')
    assert message == Message("1", None, "t", "e", {})
    # It never says a join_ref.
    reply = json.loads(V1.encode(Reply("1", "2", "t", "ok", {"a": 1})).data)
    payload = {"status": "ok", "response": {"a": 1}}
    assert reply == {"topic": "t", "event": "phx_reply", "payload": payload, "ref": "2"}
    push = json.loads(V1.encode(Message("1", None, "t", "e", {})).data)
    assert push == {"topic": "t", "event": "e", "payload": {}, "ref": None}


@pytest.mark.parametrize(
    "data", ["[]", '{"topic":"t","event":"e","payload":{}}', b"\x00", '{"topic":1}', "["]
)
def test_v1_malformed(data: str | bytes) -> None:
    with pytest.raises(Malformed):
        V1.decode(data)


def test_v1_has_no_binary() -> None:
    assert V1.broadcast("t", "e", b"\x01") is None
    for message in (Message("1", None, "t", "e", b""), Reply("1", "2", "t", "ok", b"")):
        with pytest.raises(ValueError, match="version 1"):
            V1.encode(message)


@pytest.mark.parametrize(
    ("vsn", "serializer"),
    [
        ("1.0.0", V1),
        ("1.0.7", V1),
        ("2.0.0", V2),
        ("2.0.12+build", V2),
        ("2.0.1-rc.1", V2),
        ("2.0.0-rc.1", None),  # before 2.0.0
        ("2.1.0", None),
        ("3.0.0", None),
        ("2.0", None),
        ("2", None),
        ("2.0.00", None),
        ("2.0.\u0661", None),
        ("", None),
        (None, None),
        (["2.0.0"], None),
    ],
)
def test_versions_are_negotiated_as_elixir_reads_them(vsn: object, serializer: object) -> None:
    assert negotiate(vsn) is serializer


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f" + struct.pack("!Q", 65536)),
    ],
)
def test_a_servers_frame_is_final_and_unmasked(size: int, head: bytes) -> None:
    assert header(size, binary=False) == head
    assert header(size, binary=True) == b"\x82" + head[1:]


def test_a_frame_is_encoded_once_for_each_serializer() -> None:
    frame = Frame("t", "e", pack({"a": 1}))
    assert frame.wire(V2) is frame.wire(V2)
    assert frame.wire(V1) is not frame.wire(V2)
    wire = frame.wire(V2)
    assert wire is not None
    assert wire.framed is wire.framed
    assert wire.framed == b"\x81\x1b" + b'[null,null,"t","e",{"a":1}]'


@pytest.mark.parametrize(
    ("payload", "packed"),
    [({"a": 1}, b'{"a":1}'), ([1], b"[1]"), (msgspec.Raw(b"{}"), b"{}"), (bytearray(b"x"), b"x")],
)
def test_pack(payload: object, packed: bytes) -> None:
    assert bytes(pack(payload)) == packed
