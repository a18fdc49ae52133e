"""`realtime.fanout`: one encoding, one write a tick, and every client's order kept."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from realtime.close import Close
from realtime.fanout import Fanout
from realtime.frame import Frame, Wire
from realtime.message import pack
from realtime.serializer import V1_SERIALIZER, V2_SERIALIZER, Serializer
from realtime.telemetry import Event, Flushed, Telemetry
from realtime.testing import run
from realtime.way import Write
from realtime.writer import ignore_overflow


class Counting:
    """Version 2, counting what it encodes."""

    vsn = "2.0.0"

    def __init__(self) -> None:
        self.encoded = 0

    def broadcast(self, topic: str, event: str, payload: Any) -> Wire | None:
        self.encoded += 1
        return V2_SERIALIZER.broadcast(topic, event, payload)

    decode = V2_SERIALIZER.decode
    encode = V2_SERIALIZER.encode


class Paper:
    """A writer that keeps what each write held."""

    def __init__(self, serializer: Serializer = V2_SERIALIZER, *, framed: bool = True) -> None:
        self.serializer = serializer
        self.framed = framed
        self.stalled: float | None = None
        self.overflowed: Callable[[int], None] = ignore_overflow
        self.out: list[Any] = []
        self.topics: dict[str, int] = {}
        self.direct: Write | None = None
        self.writes: list[list[Any]] = []

    def flush(self) -> None:
        self.writes.append(self.out[:])
        self.out.clear()

    def close(self, close: Close) -> None: ...

    def waiting(self) -> int:
        return 0

    def bytes(self) -> bytes:
        return b"".join(
            piece if isinstance(piece, bytes) else piece.framed
            for write in self.writes
            for piece in write
        )


class Straight(Paper):
    """One that may be written to past its `out`, as long as it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.direct = lambda data: self.writes.append([data])

    def flush(self) -> None:
        if self.out:
            super().flush()

    def write_now(self, data: bytes) -> bool:
        """Write a frame unless others wait, or the client reads nothing."""
        if self.out or self.stalled is not None:
            return False
        self.writes.append([data])
        return True


def frame(topic: str, event: str) -> Frame:
    return Frame(topic, event, pack({}))


def framed(events: Iterable[tuple[str, str]]) -> bytes:
    wires = [V2_SERIALIZER.broadcast(topic, event, pack({})) for topic, event in events]
    return b"".join(wire.framed for wire in wires)


async def tick(times: int = 1) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def test_a_broadcast_is_encoded_once_however_many_listen() -> None:
    fanout, counting = Fanout(Telemetry(), slice_sockets=1000), Counting()
    writers = [Paper(counting) for _ in range(100)]
    for writer in writers:
        fanout.enter("t", fanout.new_member(), writer)
    fanout.deliver(frame("t", "e"))
    await tick()
    assert counting.encoded == 1
    first = writers[0].writes[0][0]
    assert all(writer.writes[0][0] is first for writer in writers)  # the very same bytes


async def test_the_broadcasts_of_a_tick_are_one_write() -> None:
    told: list[Event] = []
    fanout, paper = Fanout(Telemetry(told.append), slice_sockets=1000), Paper()
    for topic in ("a", "b"):
        fanout.enter(topic, fanout.new_member(), paper)
    events = [("a", "1"), ("a", "2"), ("b", "3"), ("a", "4")]
    for topic, event in events:
        fanout.deliver(frame(topic, event))
    assert paper.writes == []
    await tick()
    assert len(paper.writes) == 1
    assert paper.bytes() == framed(events)
    fanout.tell()
    (flushed,) = told
    assert isinstance(flushed, Flushed)
    assert (flushed.broadcasts, flushed.deliveries) == (4, 4)
    await tick(3)
    assert len(paper.writes) == 1


async def test_a_large_fan_out_lets_the_loop_breathe_and_keeps_the_order() -> None:
    fanout = Fanout(Telemetry(), slice_sockets=10)
    writers = [Paper() for _ in range(25)]
    for writer in writers:
        fanout.enter("t", fanout.new_member(), writer)
    fanout.deliver(frame("t", "1"))
    await tick()
    assert sum(bool(writer.writes) for writer in writers) == 10
    fanout.deliver(frame("t", "2"))  # comes while half of them still wait for the first
    own = V2_SERIALIZER.broadcast("t", "3", pack({}))
    fanout.own(writers[-1], own)
    await tick(5)
    for writer in writers[:-1]:
        assert writer.bytes() == framed([("t", "1"), ("t", "2")])
    assert writers[-1].bytes() == framed([("t", "1"), ("t", "2"), ("t", "3")])
    assert len(writers[-1].writes) == 1


async def test_versions_and_transports_each_get_their_own_form() -> None:
    fanout = Fanout(Telemetry(), slice_sockets=1000)
    two, one = Paper(framed=False), Paper(V1_SERIALIZER, framed=False)
    for paper in (two, one):
        fanout.enter("t", fanout.new_member(), paper)
    fanout.deliver(frame("t", "e"))
    fanout.deliver(Frame("t", "bin", b"\x01"))  # version 1 cannot be told
    await tick()
    assert [wire.data for wire in two.writes[0]] == [
        b'[null,null,"t","e",{}]',
        b"\x02\x01\x03tbin\x01",
    ]
    assert [wire.data for wire in one.writes[0]] == [
        b'{"topic":"t","event":"e","payload":{},"ref":null}'
    ]


async def test_who_comes_sees_nothing_of_before_and_who_goes_everything() -> None:
    fanout, comer, goer = Fanout(Telemetry(), slice_sockets=1000), Paper(), Paper()
    member = fanout.new_member()
    fanout.enter("t", member, goer)
    fanout.deliver(frame("t", "1"))
    fanout.enter("t", fanout.new_member(), comer)
    fanout.deliver(frame("t", "2"))
    fanout.part("t", member, goer)
    fanout.deliver(frame("t", "3"))
    await tick()
    assert comer.bytes() == framed([("t", "2"), ("t", "3")])
    assert goer.bytes() == framed([("t", "1"), ("t", "2")])


async def test_flushing_one_client_at_once() -> None:
    fanout, paper, other = Fanout(Telemetry(), slice_sockets=1000), Paper(), Paper()
    for writer in (paper, other):
        fanout.enter("t", fanout.new_member(), writer)
    fanout.deliver(frame("t", "1"))
    fanout.flush(paper)
    assert paper.bytes() == framed([("t", "1")])
    assert other.writes == []
    await tick()
    assert other.bytes() == framed([("t", "1")])


async def test_what_waits_for_a_client_that_is_gone_is_let_go() -> None:
    fanout, paper = Fanout(Telemetry(), slice_sockets=1000), Paper()
    member = fanout.new_member()
    fanout.enter("t", member, paper)
    fanout.deliver(frame("t", "1"))
    fanout.part("t", member, paper)
    fanout.forget(paper)
    await tick(3)
    assert paper.writes == []


async def test_listeners_are_called_in_place_and_may_stop() -> None:
    fanout = Fanout(Telemetry(), slice_sockets=1000)
    heard: list[Any] = []
    stop = fanout.listen("t", lambda broadcast: heard.append(broadcast.decode()))
    fanout.deliver(Frame("t", "e", pack({"a": 1})))
    fanout.deliver(Frame("t", "e", b"\x01"))
    assert heard == [{"a": 1}, b"\x01"]
    stop()
    stop()
    fanout.deliver(frame("t", "e"))
    assert len(heard) == 2
    assert len(fanout) == 0


async def test_nothing_is_left_when_everyone_has_gone() -> None:
    fanout, paper = Fanout(Telemetry(), slice_sockets=1000), Paper()
    members = [fanout.new_member() for _ in range(3)]
    fanout.enter("a", members[0], paper)
    fanout.enter("b", members[1], paper)
    fanout.watch("c", members[2], lambda _: None)
    assert (len(fanout), set(paper.topics)) == (3, {"a", "b"})
    for topic, member in zip("abc", members, strict=True):
        fanout.part(topic, member, paper)
        fanout.part(topic, member, paper)
    assert (len(fanout), paper.topics) == (0, {})


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("cast"), st.sampled_from("ab"), st.integers(0, 5)),
        st.tuples(st.just("own"), st.just(""), st.integers(0, 4)),
        st.tuples(st.just("toggle"), st.sampled_from("ab"), st.integers(0, 4)),
        st.tuples(st.just("pause"), st.just(""), st.integers(0, 4)),
        st.tuples(st.just("answer"), st.just(""), st.integers(2, 4)),
        st.tuples(st.just("tick"), st.just(""), st.just(0)),
    ),
    max_size=60,
)


class Story:
    """Three clients, two topics, and what each client is meant to get."""

    def __init__(self, size: int) -> None:
        self.fanout = Fanout(Telemetry(), slice_sockets=size)
        self.writers: list[Paper] = [Paper(), Paper(framed=False), *(Straight() for _ in "abc")]
        self.inside: dict[tuple[int, str], int] = {}
        self.meant: list[list[tuple[str, str]]] = [[] for _ in self.writers]

    def cast(self, number: str, topic: str, sender: int) -> None:
        excluded = self.inside.get((sender, topic), 0)
        self.fanout.deliver(frame(topic, number), excluded)
        for (index, name), member in self.inside.items():
            if name == topic and member != excluded:
                self.meant[index].append((topic, number))

    def own(self, number: str, _: str, index: int) -> None:
        self.fanout.own(self.writers[index], V2_SERIALIZER.broadcast("x", number, pack({})))
        self.meant[index].append(("x", number))

    def answer(self, number: str, _: str, index: int) -> None:
        wire = V2_SERIALIZER.broadcast("x", number, pack({}))
        writer: Any = self.writers[index]
        self.fanout.answer(writer, wire.framed)
        self.meant[index].append(("x", number))

    def pause(self, _: str, __: str, index: int) -> None:
        writer = self.writers[index]
        writer.stalled = 1.0 if writer.stalled is None else None
        self.fanout.reroute(writer)

    def toggle(self, _: str, topic: str, index: int) -> None:
        member = self.inside.pop((index, topic), None)
        if member is not None:
            self.fanout.part(topic, member, self.writers[index])
        else:
            member = self.inside[index, topic] = self.fanout.new_member()
            self.fanout.enter(topic, member, self.writers[index])


@given(STEPS, st.integers(1, 3))
def test_each_client_gets_exactly_what_was_meant_for_it_in_order(
    steps: list[tuple[str, str, int]], size: int
) -> None:
    async def tell() -> None:
        story = Story(size)
        for number, (step, topic, index) in enumerate(steps):
            if step == "tick":
                await tick()
            else:
                getattr(story, step)(str(number), topic, index)
        await tick(40)
        for writer, meant in zip(story.writers, story.meant, strict=True):
            assert writer.bytes() == framed(meant)

    run(tell())
