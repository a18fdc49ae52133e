"""Many websocket clients in one process: as little of a client as frames need."""

import asyncio
import json
import struct
from collections import deque
from types import TracebackType
from typing import Any, Self

PATIENCE_S = 60.0  # for a loaded machine; nothing that is judged depends on it
_TEXT, _CLOSE = 1, 8
_REQUEST = (
    "GET {path} HTTP/1.1\r\nhost: {host}\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n\r\n"
)


class Gone(AssertionError):
    """The server has closed, or is away."""


class Member(asyncio.Protocol):
    """One client. Frames wait in `frames`; `code` says how the server closed."""

    def __init__(self) -> None:
        self.frames: deque[Any] = deque()
        self.code: int | None = None
        self.gone = False
        self.transport: asyncio.Transport
        self._data = bytearray()
        self._open = False
        self._news = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._open:
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self._data.startswith(b"HTTP/1.1 101"):
                self.transport.abort()
                return
            del self._data[: end + 4]
            self._open = True
        while self._take():
            pass
        self._news.set()

    def connection_lost(self, _: Exception | None) -> None:
        self.gone = True
        self._news.set()

    def send(self, *frame: Any) -> None:
        """Send one array."""
        self.send_text(json.dumps(frame))

    def send_text(self, text: str) -> None:
        """Send any text, under a mask of zeroes."""
        data = text.encode()
        size = len(data)
        short = bytes((0x81, 0x80 | (size & 0x7F)))
        head = short if size < 126 else struct.pack("!BBH", 0x81, 0xFE, size)
        self.transport.write(head + bytes(4) + data)

    async def receive(self) -> Any:
        """Return the next frame, read."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.frames:
                if self.gone or self.code is not None:
                    raise Gone(f"closed with {self.code}")
                self._news.clear()
                await self._news.wait()
        return self.frames.popleft()

    async def opened(self) -> None:
        """Wait for the upgrade."""
        async with asyncio.timeout(PATIENCE_S):
            while not self._open:
                if self.gone:
                    raise Gone("not let in")
                self._news.clear()
                await self._news.wait()

    async def closing(self) -> int | None:
        """Wait for the end, and return its code."""
        async with asyncio.timeout(PATIENCE_S):
            while not (self.gone or self.code is not None):
                self._news.clear()
                await self._news.wait()
        return self.code

    async def join(self, topic: str, params: Any = None) -> None:
        """Join, and see to it that the answer is yes."""
        self.send("j", "j", topic, "phx_join", params or {})
        answer = await self.receive()
        assert answer[1:4] == ["j", topic, "phx_reply"], answer
        assert answer[4]["status"] == "ok", answer

    def _take(self) -> bool:
        """Take one whole frame off the front of what has come."""
        data = self._data
        if len(data) < 2:
            return False
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10], "big"), 10
        if len(data) < start + size:
            return False
        opcode, payload = data[0] & 0x0F, bytes(data[start : start + size])
        del data[: start + size]
        if opcode == _TEXT:
            self.frames.append(json.loads(payload))
        elif opcode == _CLOSE:
            self.code = int.from_bytes(payload[:2], "big")
            self.transport.write(b"\x88\x80" + bytes(4))
        return True


class Crowd:
    """Clients of one server, gone at the end."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.members: list[Member] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for member in self.members:
            member.transport.abort()

    async def come(self, count: int = 1, *, port: int | None = None) -> list[Member]:
        """Connect so many, fifty at a time."""
        came: list[Member] = []
        while len(came) < count:
            some = [self._one(port or self.port) for _ in range(min(50, count - len(came)))]
            came += await asyncio.gather(*some)
        self.members += came
        return came

    async def _one(self, port: int) -> Member:
        loop = asyncio.get_running_loop()
        _, member = await loop.create_connection(Member, "127.0.0.1", port)
        path = "/socket/websocket?vsn=2.0.0"
        member.transport.write(_REQUEST.format(path=path, host=f"127.0.0.1:{port}").encode())
        await member.opened()
        return member
