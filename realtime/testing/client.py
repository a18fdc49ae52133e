"""A client without a network, for tests of channels."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from realtime.close import SLOW, Close
from realtime.connection import Connection
from realtime.endpoint import Endpoint
from realtime.frame import Wire
from realtime.message import Message
from realtime.serializer import Serializer, negotiate
from realtime.socket import ConnectInfo
from realtime.way import Write
from realtime.writer import ignore_overflow


class Reply(Struct, frozen=True):
    """What the server answered."""

    status: str
    response: Any

    @property
    def ok(self) -> bool:
        """Whether it was a yes."""
        return self.status == "ok"


class Closed(AssertionError):
    """The server has closed the connection."""

    def __init__(self, close: Close) -> None:
        super().__init__(f"closed with {close.code} {close.reason}")
        self.code = close.code
        self.reason = close.reason


class Client:
    """One connected client, speaking through a real serializer."""

    def __init__(self, serializer: Serializer) -> None:
        self.received: list[Message] = []  # in order, and not yet taken by receive()
        self.closed: Close | None = None
        self.connection: Connection
        self.writer: MemoryWriter
        self.reading = True
        self.lose: Callable[[Message], bool] = _nothing  # what the server sends and is lost
        self._serializer = serializer
        self._refs = 0
        self._join_refs: dict[str, str] = {}
        self._news = asyncio.Event()

    async def join(self, topic: str, params: Any = None, *, timeout: float = 10.0) -> Reply:  # noqa: ASYNC109
        """Join a topic and return the answer."""
        ref = self._join_refs[topic] = self._next_ref()
        self.send(Message(ref, ref, topic, "phx_join", {} if params is None else params))
        return await self.reply(ref, timeout=timeout)

    def push(self, topic: str, event: str, payload: Any = None) -> str:
        """Send a message on a joined topic and return its ref."""
        ref = self._next_ref()
        join_ref = self._join_refs.get(topic)
        self.send(Message(join_ref, ref, topic, event, {} if payload is None else payload))
        return ref

    async def request(
        self,
        topic: str,
        event: str,
        payload: Any = None,
        *,
        timeout: float = 10.0,  # noqa: ASYNC109
    ) -> Reply:
        """Send a message and return the answer."""
        return await self.reply(self.push(topic, event, payload), timeout=timeout)

    async def leave(self, topic: str) -> Reply:
        """Leave a topic and return the answer."""
        return await self.request(topic, "phx_leave")

    async def reply(self, ref: str, *, timeout: float = 10.0) -> Reply:  # noqa: ASYNC109
        """Return the answer to the message of `ref`."""
        message = await self._take(
            lambda m: m.event == "phx_reply" and m.ref == ref, timeout, f"an answer to {ref}"
        )
        return Reply(message.payload["status"], message.payload["response"])

    async def receive(
        self,
        event: str | None = None,
        topic: str | None = None,
        *,
        timeout: float = 10.0,  # noqa: ASYNC109
    ) -> Message:
        """Return the first message that fits and is no answer; what came before stays."""
        wanted = f"{event or 'something'} on {topic or 'any topic'}"
        return await self._take(lambda m: _fits(m, event, topic), timeout, wanted)

    async def refute(
        self, event: str | None = None, topic: str | None = None, *, within: float = 1.0
    ) -> None:
        """Fail if a message that fits is there or comes within a time; exact under `run`."""
        await asyncio.sleep(within)
        unwanted = [message for message in self.received if _fits(message, event, topic)]
        if unwanted:
            raise AssertionError(f"came, and should not have: {unwanted[0]}")

    async def wait_closed(self, *, timeout: float = 100.0) -> Close:  # noqa: ASYNC109
        """Return how the server closed the connection."""
        async with asyncio.timeout(timeout):
            while self.closed is None:
                self._news.clear()
                await self._news.wait()
        return self.closed

    async def close(self, code: int = 1005) -> None:
        """Go away, and let the server put everything away."""
        self.connection.closed(code)
        for _ in range(3):
            await asyncio.sleep(0)

    def send(self, message: Message) -> None:
        """Send a message as it is."""
        self.send_raw(_to_wire(message, self._serializer.vsn))

    def send_raw(self, data: str | bytes) -> None:
        """Send any text or bytes."""
        if self.closed is not None:
            raise Closed(self.closed)
        self.connection.received(data)

    def send_torn(self, message: Message, keep: float = 0.5) -> None:
        """Send the first part of a message: the rest never comes."""
        data = _to_wire(message, self._serializer.vsn)
        self.send_raw(data[: int(len(data) * keep)])

    def stop_reading(self) -> None:
        """Be a slow reader: what the server sends piles up there, as far as it lets it."""
        self.reading = False

    def read_again(self) -> None:
        """Take what has piled up, and read on."""
        self.reading = True
        self.writer.read_again()

    def arrived(self, wire: Wire) -> None:
        """Take what the server sent, unless it is lost on the way."""
        message = _from_wire(wire)
        if not self.lose(message):
            self.received.append(message)
            self._news.set()

    def ended(self, close: Close) -> None:
        """Take the server's goodbye."""
        self.closed = close
        self._news.set()

    def _next_ref(self) -> str:
        self._refs += 1
        return str(self._refs)

    async def _take(self, fits: Callable[[Message], bool], within: float, wanted: str) -> Message:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        while True:
            for place, message in enumerate(self.received):
                if fits(message):
                    return self.received.pop(place)
            if self.closed is not None:
                raise Closed(self.closed)
            self._news.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._news.wait()
            except TimeoutError:
                seen = [f"{m.topic} {m.event}" for m in self.received]
                raise AssertionError(f"{wanted} did not come; there is {seen}") from None


class MemoryWriter:
    """Hands what the server sends to a client in the same loop, bounded as on a network."""

    framed = False

    def __init__(self, serializer: Serializer, client: Client, limit: int) -> None:
        self.serializer = serializer
        self.out: list[Wire] = []
        self.topics: dict[str, int] = {}
        self.direct: Write | None = None
        self.stalled: float | None = None
        self.overflowed: Callable[[int], None] = ignore_overflow
        self._client = client
        self._limit = limit
        self._unread: list[Wire] = []
        self._closed = False

    def flush(self) -> None:
        """Hand over what is waiting; a client that does not read lets it pile up."""
        if self._closed:
            return
        out, self.out = self.out, []
        if self._client.reading:
            for wire in out:
                self._client.arrived(wire)
            return
        self._unread += out
        if out and self.stalled is None:
            self.stalled = asyncio.get_running_loop().time()
        if (waiting := self.waiting()) > self._limit:
            self.break_off(SLOW)
            self.overflowed(waiting)

    def read_again(self) -> None:
        """Hand over what has piled up."""
        self.stalled = None
        unread, self._unread = self._unread, []
        for wire in unread:
            self._client.arrived(wire)

    def close(self, close: Close) -> None:
        """Hand over what is waiting, then the goodbye."""
        if not self._closed:
            self.flush()
            self.break_off(close)

    def break_off(self, close: Close) -> None:
        """End without a word to whoever does not read."""
        if not self._closed:
            self._closed = True
            self._unread.clear()
            self._client.ended(close)

    def waiting(self) -> int:
        """Return how many bytes the client has not read."""
        return sum(len(wire.data) for wire in self._unread)


async def connect(
    endpoint: Endpoint,
    *,
    params: Mapping[str, Any] | None = None,
    auth_token: str | None = None,
    vsn: str = "2.0.0",
    headers: Mapping[str, str] | None = None,
    peer: str | None = "127.0.0.1",
) -> Client:
    """Connect as a client would; raises ConnectRefused where the server refuses."""
    serializer = negotiate(vsn)
    if serializer is None:
        raise endpoint.node.refused("vsn")
    info = ConnectInfo(
        params={**(params or {}), "vsn": vsn},
        auth_token=auth_token,
        peer=peer,
        headers=headers or {},
        uri="ws://testing/socket/websocket",
        transport="testing",
    )
    socket = await endpoint.node.admit(info)
    client = Client(serializer)
    writer = MemoryWriter(serializer, client, endpoint.node.limits.writer_bytes)
    client.connection = Connection(endpoint.node, socket, writer)
    writer.overflowed = client.connection.overflowed
    client.writer = writer
    client.connection.opened(seconds=0.0)
    return client


def _nothing(_: Message) -> bool:
    return False


def _fits(message: Message, event: str | None, topic: str | None) -> bool:
    return (
        (message.event != "phx_reply" or event == "phx_reply")
        and event in (None, message.event)
        and topic in (None, message.topic)
    )


def _to_wire(message: Message, vsn: str) -> str | bytes:
    """Write as a client writes: the binary push of a client has one more name than a server's."""
    if isinstance(message.payload, bytes):
        names = [
            str("" if part is None else part).encode()
            for part in (message.join_ref, message.ref, message.topic, message.event)
        ]
        return b"".join((bytes((0, *map(len, names))), *names, message.payload))
    fields = msgspec.structs.asdict(message)
    return msgspec.json.encode(list(fields.values()) if vsn[0] == "2" else fields).decode()


def _from_wire(wire: Wire) -> Message:
    if wire.binary:
        return _from_binary(wire.data)
    read = msgspec.json.decode(wire.data)
    if isinstance(read, dict):
        return Message(None, read["ref"], read["topic"], read["event"], read["payload"])
    return Message(*read)


def _from_binary(data: bytes) -> Message:
    """Read a server's push, reply or broadcast, which differ in the names that they carry."""
    kind = data[0]
    count = (3, 4, 2)[kind]
    sizes, rest = data[1 : 1 + count], data[1 + count :]
    names = []
    for size in sizes:
        names.append(rest[:size].decode())
        rest = rest[size:]
    if kind == 0:
        return Message(names[0], None, names[1], names[2], rest)
    if kind == 1:
        payload = {"status": names[3], "response": rest}
        return Message(names[0], names[1], names[2], "phx_reply", payload)
    return Message(None, None, names[0], names[1], rest)
