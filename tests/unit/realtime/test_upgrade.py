"""The request that opens a websocket, and the shortcuts of the lane: the same as the long way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.message import Message
from realtime.session import Deliver, Session
from realtime.transports.frames import TEXT, FrameReader
from realtime.transports.upgrade import read_upgrade, switching
from realtime.transports.uvicorn_fastlane import place_of_mask

GOOD = (
    b"GET /socket?vsn=2.0.0 HTTP/1.1\r\nhost: here\r\nupgrade: WebSocket\r\n"
    b"connection: keep-alive, Upgrade\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: phoenix, other\r\n\r\n"
)


def test_the_usual_request_is_read() -> None:
    asked = read_upgrade(GOOD)
    assert asked is not None
    assert asked.target == b"/socket?vsn=2.0.0"
    assert asked.subprotocols == ["phoenix", "other"]
    assert (b"host", b"here") in asked.headers


def test_the_answer_is_the_one_of_the_rfc() -> None:
    answer = switching(b"dGhlIHNhbXBsZSBub25jZQ==", [(b"date", b"now")], "phoenix")
    head, *lines = answer.split(b"\r\n")
    assert head == b"HTTP/1.1 101 Switching Protocols"
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in lines  # RFC 6455 1.3
    assert b"Sec-WebSocket-Protocol: phoenix" in lines
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"GET", b"POST"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"upgrade: WebSocket", b"upgrade: h2c"),
        (b"Upgrade\r\nsec", b"close\r\nsec"),
        (b"version: 13", b"version: 8"),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"short=="),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhlIHNhbXBsZSBub25jZQ=*"),
        (b"host: here", b"host: here\r\nhost: there"),
        (b"host: here", b"host: here\r\ncontent-length: 3"),
        (b"host: here\r\n", b""),
        (b"host: here", b"host here"),
        (b"/socket?vsn=2.0.0", b"/s\xc3\xb6cket"),
        (b"\r\n\r\n", b"\r\n\r\nmore"),
        (b"here", b"here" * 5000),
        (b"host: here", b" host: here"),
        (b"host: here", b"host : here"),
        (b"host: here", b"host: here\r\n folded"),
        (b"host: here", b"host: he\x00re"),
        (b"host: here", b"host: he\nre"),
        (b"/socket?vsn=2.0.0", b"http://there/socket"),
        (b"/socket?vsn=2.0.0", b"/sock\x07et"),
    ],
)
def test_anything_else_is_left_to_those_who_know_it(old: bytes, new: bytes) -> None:
    assert old in GOOD
    assert read_upgrade(GOOD.replace(old, new)) is None


def mask(data: bytes, key: bytes) -> bytes:
    return bytes(byte ^ key[index % 4] for index, byte in enumerate(data))


def frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    head = (
        bytes((first, 0x80 | size)) if size < 126 else b"%c\xfe" % first + size.to_bytes(2, "big")
    )
    return head + b"abcd" + mask(payload, b"abcd")


@given(
    st.sampled_from([0x81, 0x01, 0x82, 0x89, 0xC1]),
    st.binary(max_size=300),
    st.integers(-3, 3),
)
def test_a_whole_text_is_found_as_the_long_way_finds_it(
    first: int, payload: bytes, cut: int
) -> None:
    data = frame(first, payload)
    data = data[:cut] if cut < 0 else data + bytes(cut)
    place = place_of_mask(data)
    whole = first == 0x81 and cut == 0
    assert bool(place) is (whole or place > 0)
    if place:
        taken: list[tuple[int, bytes]] = []
        text = mask(data[place + 4 :], data[place : place + 4])
        reader = FrameReader(1_000, mask)
        reader.feed(data, lambda opcode, body: taken.append((opcode, body)))
        assert taken == [(TEXT, text)]
        assert reader.is_between()


REFS = st.sampled_from([None, "1", "2", 1, 1.0, True])
MESSAGES = st.builds(
    Message,
    REFS,
    st.sampled_from(["7", None]),
    st.sampled_from(["a:1", "a:2", "phoenix", "b"]),
    st.sampled_from(["phx_join", "phx_leave", "heartbeat", "ping", "phx_close"]),
    st.just({}),
)


@given(st.lists(MESSAGES, max_size=12))
def test_an_addressee_is_whom_the_long_way_delivers_to(messages: list[Message]) -> None:
    session = Session(lambda topic: topic.startswith("a:"))
    for message in messages:
        key = session.addressee(message)
        commands = session.receive(message)
        assert commands == [Deliver(key, message)] if key else True
        assert key or not any(isinstance(command, Deliver) for command in commands)
