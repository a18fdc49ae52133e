"""Small clients that know nothing of Phoenix: frames as they are, by websocket or long poll."""

import asyncio
import base64
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx2
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

PATIENCE_S = 20.0  # for a loaded machine; nothing that is judged depends on it


class Gone(AssertionError):
    """The server closed, or the session is over."""


class Wire(Protocol):
    """One connected client."""

    async def send(self, frame: Any) -> None:
        """Send a list or a dict as JSON, and text and bytes as they are."""

    async def send_together(self, *frames: Any) -> None:
        """Send several, so that they arrive at once."""

    async def receive(self) -> Any:
        """Return the next frame: bytes as they are, text read as JSON."""

    async def closing(self) -> int:
        """Wait until the server closes, and return its code."""


def _written(frame: Any) -> str | bytes:
    return frame if isinstance(frame, str | bytes) else json.dumps(frame)


def masked(text: str) -> bytes:
    """Return a client's frame of a short text, under a mask of zeroes."""
    data = text.encode()
    return bytes((0x81, 0x80 | len(data))) + bytes(4) + data


class SocketWire:
    """Over a websocket."""

    def __init__(self, client: ClientConnection) -> None:
        self.client = client

    async def send(self, frame: Any) -> None:
        await self.client.send(_written(frame))

    async def send_together(self, *frames: Any) -> None:
        self.client.transport.write(b"".join(masked(json.dumps(frame)) for frame in frames))

    async def receive(self) -> Any:
        try:
            async with asyncio.timeout(PATIENCE_S):
                data = await self.client.recv()
        except ConnectionClosed as closed:
            raise Gone(f"closed with {self.client.close_code}") from closed
        except TimeoutError:
            raise AssertionError("no frame came") from None
        return data if isinstance(data, bytes) else json.loads(data)

    async def closing(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            await self.client.wait_closed()
        return self.client.close_code or 1005


class PollWire:
    """Over long polls, as phoenix.js asks for them."""

    def __init__(self, http: httpx2.AsyncClient, url: str, headers: Mapping[str, str]) -> None:
        self._http = http
        self._url = url
        self._headers = dict(headers)
        self.token = ""
        self._waiting: deque[str] = deque()

    async def poll(self, headers: Mapping[str, str] | None = None) -> Any:
        """Ask once, and return the body."""
        url = f"{self._url}&token={self.token}" if self.token else self._url
        answer = await self._http.get(url, headers={**self._headers, **(headers or {})})
        assert answer.status_code == 200
        body = answer.json()
        self.token = body.get("token", self.token)
        return body

    async def post(self, body: str, content_type: str = "application/x-ndjson") -> Any:
        """Send a batch as it is, and return the body of the answer."""
        answer = await self._http.post(
            f"{self._url}&token={self.token}",
            content=body,
            headers={**self._headers, "content-type": content_type},
        )
        assert answer.status_code == 200
        return answer.json()

    async def send(self, frame: Any) -> None:
        data = _written(frame)
        line = base64.b64encode(data).decode() if isinstance(data, bytes) else data
        body = await self.post(line)
        if body["status"] != 200:
            raise Gone(f"a post was answered {body}")

    async def send_together(self, *frames: Any) -> None:
        await self.post("\n".join(json.dumps(frame) for frame in frames))

    async def receive(self) -> Any:
        while not self._waiting:
            body = await self.poll()
            if body["status"] not in (200, 204):
                raise Gone(f"a poll was answered {body}")
            self._waiting += body["messages"]
        return json.loads(self._waiting.popleft())

    async def closing(self) -> int:
        while (body := await self.poll())["status"] in (200, 204):
            self._waiting += body["messages"]
        return int(body["status"])


class Judge(Struct, frozen=True):
    """Knows where the server is and by which transport it is judged."""

    url: str  # ws://host/socket
    transport: str  # websocket, or longpoll

    @property
    def polls(self) -> bool:
        return self.transport == "longpoll"

    def address(self, query: str, transport: str | None = None) -> str:
        """Where a client connects, by either transport."""
        which = transport or self.transport
        scheme, rest = self.url.split("://")
        scheme = scheme.replace("ws", "http") if which == "longpoll" else scheme
        return f"{scheme}://{rest}/{which}?{query}"

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @asynccontextmanager
    async def connect(
        self,
        query: str = "vsn=2.0.0",
        *,
        offered: tuple[str, ...] = (),
        origin: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Any]:
        """Connect by the transport that is judged; what is refused raises."""
        if self.polls:
            async with self.polling(query, origin=origin, headers=headers) as wire:
                body = await wire.poll()
                if body["status"] != 410 or "token" not in body:
                    raise Gone(f"refused with {body}")
                yield wire
            return
        async with connect(
            self.address(query),
            subprotocols=[Subprotocol(name) for name in offered] or None,
            origin=None if origin is None else Origin(origin),
            additional_headers=dict(headers or {}),
            proxy=None,
            max_size=None,
            open_timeout=PATIENCE_S,
        ) as client:
            yield SocketWire(client)

    @asynccontextmanager
    async def polling(
        self,
        query: str = "vsn=2.0.0",
        *,
        origin: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[PollWire]:
        """Make a client of the long poll that has not asked yet."""
        more = {} if origin is None else {"origin": origin}
        async with httpx2.AsyncClient(timeout=PATIENCE_S, trust_env=False) as http:
            yield PollWire(http, self.address(query, "longpoll"), {**(headers or {}), **more})
