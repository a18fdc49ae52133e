"""`realtime.transports.frames`: a client's frames, as RFC 6455 has them."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close as TheirClose
from websockets.frames import Frame, Opcode
from websockets.utils import apply_mask

from realtime.close import NOT_UTF8, PROTOCOL, TOO_BIG, Close
from realtime.transports.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Broken,
    FrameReader,
    close_frame,
    control,
    read_close,
    read_text,
)


def frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """As another library writes it for a client."""
    return Frame(Opcode(opcode), payload, fin=final).serialize(mask=True)


class Read:
    def __init__(self, limit: int = 1_000_000) -> None:
        self.seen: list[tuple[int, bytes]] = []
        self._reader = FrameReader(limit, apply_mask)

    def feed(self, data: bytes) -> None:
        self._reader.feed(data, lambda opcode, payload: self.seen.append((opcode, payload)))


PAYLOADS = st.one_of(st.binary(max_size=200), st.integers(120, 130).map(bytes),
                     st.integers(65_530, 65_540).map(bytes))  # fmt: skip
CONTROLS = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125))
MESSAGES = st.tuples(st.sampled_from([TEXT, BINARY]), st.lists(PAYLOADS, min_size=1, max_size=3))


@given(st.lists(st.tuples(MESSAGES, st.lists(CONTROLS, max_size=2)), max_size=4), st.data())
def test_any_messages_in_any_fragments_and_any_chunks(
    story: list[tuple[tuple[int, list[bytes]], list[tuple[int, bytes]]]], data: st.DataObject
) -> None:
    sent = bytearray()
    meant: list[tuple[int, bytes]] = []
    for (opcode, fragments), controls in story:
        last = len(fragments) - 1
        for place, fragment in enumerate(fragments):
            kind = CONTINUATION if place else opcode
            sent += frame(kind, fragment, final=place == last)
            if place == 0 and last:  # control frames may come between fragments
                for control_opcode, payload in controls:
                    sent += frame(control_opcode, payload)
                    meant.append((control_opcode, payload))
        meant.append((opcode, b"".join(fragments)))
    read = Read()
    dice = random.Random(data.draw(st.integers()))  # noqa: S311
    while sent:
        size = dice.randint(1, dice.choice([3, 300, 100_000]))
        read.feed(bytes(sent[:size]))
        del sent[:size]
    assert read.seen == meant


@pytest.mark.parametrize(
    ("data", "close"),
    [
        (b"\x81\x00", PROTOCOL),  # not masked
        (b"\xc1\x80", PROTOCOL),  # a reserved bit, and nothing was negotiated
        (frame(CONTINUATION, b""), PROTOCOL),  # continues nothing
        (frame(TEXT, b"", final=False) + frame(TEXT, b""), PROTOCOL),
        (b"\x83\x80\x00\x00\x00\x00", PROTOCOL),  # an opcode of the future
        (b"\x8b\x80\x00\x00\x00\x00", PROTOCOL),
        (b"\x09\x80\x00\x00\x00\x00", PROTOCOL),  # a control frame in fragments
        (b"\x89\xfe\x00\x7e\x00\x00\x00\x00", PROTOCOL),  # a control frame over 125 bytes
        (frame(BINARY, bytes(101)), TOO_BIG),
        (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", TOO_BIG),  # by its head
        (frame(BINARY, bytes(60), final=False) + frame(CONTINUATION, bytes(60)), TOO_BIG),
    ],
    ids=itertools.count(),  # masks are random, and every test process must call a case the same
)
def test_what_breaks_the_protocol(data: bytes, close: Close) -> None:
    read = Read(limit=100)
    with pytest.raises(Broken) as broken:
        read.feed(frame(TEXT, b"before") + data)
    assert broken.value.close == close
    assert read.seen == [(TEXT, b"before")]


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_nothing_but_broken_comes_out_of_any_bytes(chunks: list[bytes]) -> None:
    read = Read(limit=100)
    for chunk in chunks:
        try:
            read.feed(chunk)
        except Broken:
            return


@pytest.mark.parametrize(
    ("payload", "close"),
    [
        (b"", Close(1005, "")),
        (b"\x03\xe8", Close(1000, "")),
        (b"\x03\xe9bye", Close(1001, "bye")),
        (b"\x0f\xa0", Close(4000, "")),
    ],
)
def test_what_a_close_says(payload: bytes, close: Close) -> None:
    assert read_close(payload) == close
    assert close_frame(close) == control(CLOSE, payload)


def test_opcodes_and_heads_are_those_of_the_rfc() -> None:
    assert (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG) == (0x0, 0x1, 0x2, 0x8, 0x9, 0xA)
    assert control(PING, b"hi") == b"\x89\x02hi"
    read = Read()
    read.feed(b"\x81\x82\x00\x00\x00\x00hi\x8a\x80\x00\x00\x00\x00")
    assert read.seen == [(0x1, b"hi"), (0xA, b"")]


@pytest.mark.parametrize("size", [0, 125, 126, 127, 65_535, 65_536])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_each_size_is_read_with_the_head_that_it_has(opcode: int, size: int) -> None:
    data = frame(opcode, bytes(size))
    read = Read()
    for place in range(min(len(data), 20)):  # byte by byte, as far as a head can go
        read.feed(data[place : place + 1])
    read.feed(data[min(len(data), 20) :])
    assert read.seen == [(opcode, bytes(size))]


def test_the_limit_itself_is_allowed_in_one_piece_or_several_again_and_again() -> None:
    read = Read(limit=100)
    for _ in range(2):
        read.feed(frame(TEXT, bytes(60), final=False) + frame(PING, bytes(125)))
        read.feed(frame(CONTINUATION, bytes(40)))
        read.feed(frame(BINARY, bytes(100)))
    assert [len(payload) for _, payload in read.seen] == [125, 100, 100] * 2


def test_what_is_broken_says_how() -> None:
    assert str(Broken(PROTOCOL)) == PROTOCOL.reason


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1014, 3000, 4999])
def test_codes_that_anybody_may_send(code: int) -> None:
    assert read_close(code.to_bytes(2, "big")) == Close(code, "")


def test_the_reason_of_a_close_is_as_long_as_a_control_frame_lets_it() -> None:
    made = close_frame(Close(1012, "x" * 200))
    assert made[:2] == b"\x88\x7d"
    assert made[4:] == b"x" * 123


@pytest.mark.parametrize("code", [999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_codes_that_nobody_may_send(code: int) -> None:
    with pytest.raises(Broken):
        read_close(code.to_bytes(2, "big"))


def test_a_close_of_one_byte_or_not_in_utf8() -> None:
    with pytest.raises(Broken):
        read_close(b"\x03")
    with pytest.raises(Broken) as broken:
        read_close(b"\x03\xe8\xff")
    assert broken.value.close == NOT_UTF8
    with pytest.raises(Broken):
        read_text(b"\xff")


def test_a_servers_close_is_what_others_read() -> None:
    ours = close_frame(Close(1012, "service restart"))
    assert ours == Frame(Opcode.CLOSE, TheirClose(1012, "service restart").serialize()).serialize(
        mask=False
    )
