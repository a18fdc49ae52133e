"""`realtime.way`: bytes past the transport keep their order, whatever the socket takes."""

import asyncio
import gc
import os
import socket
from collections.abc import Awaitable, Callable
from typing import cast

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.way import Way, late, way_past, write_each

Steps = list[tuple[str, int]]
STEPS = st.lists(
    st.tuples(st.sampled_from(["send", "write", "each", "read"]), st.integers(1, 60_000)),
    max_size=30,
)


async def past(work: Callable[[asyncio.Transport, socket.socket], Awaitable[None]]) -> None:
    here, there = socket.socketpair()
    for end in (here, there):
        end.setblocking(False)  # noqa: FBT003 - its only argument
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8_192)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=here)
    try:
        await work(transport, there)
    finally:
        transport.abort()
        await asyncio.sleep(0)
        there.close()


def send(way: Way, data: bytes) -> None:
    try:
        taken = way.send(data)
    except OSError:
        taken = 0
    if taken != len(data):
        late(way.send, data, taken)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_what_is_sent_arrives_whole_and_in_order(run: Callable[..., None], steps: Steps) -> None:
    async def work(transport: asyncio.Transport, there: socket.socket) -> None:
        way = way_past(transport)
        assert way is not None
        expected, got = bytearray(), bytearray()
        for number, (step, size) in enumerate(steps):
            data = bytes([number]) * size
            if step == "read":
                await asyncio.sleep(0)
                got += read(there, size)
                continue
            expected += data
            if step == "send":
                send(way, data)
            elif step == "write":
                way.write(data)
            else:
                write_each([way.send], data)
        while len(got) < len(expected):
            await asyncio.sleep(0)
            got += read(there, 1 << 20)
        way.shut()
        assert got == expected

    run(past(work))


def read(there: socket.socket, most: int) -> bytes:
    try:
        return there.recv(most)
    except BlockingIOError:
        return b""


async def test_it_is_open_again_once_the_transport_has_written_all() -> None:
    async def work(transport: asyncio.Transport, there: socket.socket) -> None:
        way = way_past(transport)
        assert way is not None
        data = b"x" * 500_000
        way.write(data)
        assert way.fileno() < 0
        left = len(data)
        while left:
            await asyncio.sleep(0)
            left -= len(read(there, 1 << 20))
        while transport.get_write_buffer_size():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        way.write(b"more")
        assert way.fileno() >= 0
        assert there.recv(10) == b"more"
        way.shut()

    await past(work)


async def test_the_socket_stays_the_transports() -> None:
    async def work(transport: asyncio.Transport, there: socket.socket) -> None:
        way = way_past(transport)
        assert way is not None
        number = way.fileno()
        del way
        gc.collect()
        os.fstat(number)
        transport.write(b"still here")
        await asyncio.sleep(0)
        assert there.recv(20) == b"still here"

    await past(work)


def test_one_whose_socket_is_gone_is_not_in_the_way_of_others() -> None:
    heard: list[bytes] = []

    def gone(_data: bytes) -> int:
        raise BrokenPipeError

    def takes(data: bytes) -> int:
        heard.append(data)
        return len(data)

    def takes_all(data: bytes) -> None:
        heard.append(data)

    write_each([gone, takes, gone, takes_all, takes, gone], b"all")
    assert heard == [b"all"] * 3


class Wrapped:
    """A transport that encrypts, or one without a socket."""

    def __init__(self, about: dict[str, object]) -> None:
        self._about = about

    def get_extra_info(self, name: str) -> object:
        return self._about.get(name)


@pytest.mark.parametrize("about", [{}, {"socket": object(), "sslcontext": object()}])
def test_there_is_no_way_past_a_transport_that_encrypts(about: dict[str, object]) -> None:
    assert way_past(cast("asyncio.Transport", Wrapped(about))) is None
