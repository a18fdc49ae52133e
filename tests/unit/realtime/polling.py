"""A client of the long poll without a network, and one request at a time."""

import asyncio
import base64
import json
from typing import Any, Self

import msgspec

from realtime import ConnectRefused, Endpoint
from realtime.close import Close
from realtime.frame import Wire
from realtime.message import Message
from realtime.serializer import Serializer, negotiate
from realtime.testing import Client

Answered = dict[str, Any]


class Request:
    """One HTTP request, and what it was answered."""

    def __init__(self, app: Any, method: str = "GET", **about: Any) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.reading = asyncio.Event()  # cleared: the client takes nothing, and send() waits
        self.reading.set()
        self.ended = False
        self._news = asyncio.Event()
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        for part in about.pop("body", [b""]):
            self._in.put_nowait({"type": "http.request", "body": part, "more_body": True})
        self._in.put_nowait({"type": "http.request"})
        scope = {
            "type": "http",
            "method": method,
            "path": "/socket/longpoll",
            "scheme": "http",
            "client": ("10.0.0.1", 5),
            **about,
            "query_string": about.get("query", "vsn=2.0.0").encode(),
            "headers": [
                (name.encode(), value.encode())
                for name, value in {"host": "here.test", **about.get("headers", {})}.items()
            ],
        }
        self.task = asyncio.create_task(app(scope, self._in.get, self._send))

    def hang_up(self) -> None:
        self._in.put_nowait({"type": "http.disconnect"})

    async def _send(self, event: dict[str, Any]) -> None:
        await self.reading.wait()
        if event["type"] == "http.response.start":
            self.status = event["status"]
            self.headers = {name.decode(): value.decode() for name, value in event["headers"]}
        else:
            self.body += event["body"]
            self.ended = not event.get("more_body", False)
        self._news.set()

    async def until(self, words: bytes) -> None:
        async with asyncio.timeout(100):
            while words not in self.body:
                self._news.clear()
                await self._news.wait()

    async def answer(self) -> Answered:
        await self.task
        assert self.status == 200
        read: Answered = json.loads(self.body)
        return read


class Poller:
    """Speaks to one node after the other with one token."""

    def __init__(self, *endpoints: Endpoint, query: str = "vsn=2.0.0") -> None:
        self.endpoints = list(endpoints)
        self.token: str | None = None
        self._query = query

    @classmethod
    async def open(cls, *endpoints: Endpoint, **how: Any) -> Self:
        poller = cls(*endpoints, **how)
        answered = await poller.get()
        assert answered == {"status": 410, "token": answered["token"], "messages": []}
        poller.token = answered["token"]
        return poller

    def request(self, method: str = "GET", **about: Any) -> Request:
        endpoint = self.endpoints[0]
        self.endpoints = [*self.endpoints[1:], endpoint]
        query = f"{self._query}&" + (f"token={self.token}" if self.token else "")
        return Request(endpoint.longpoll, method, query=query, **about)

    async def get(self) -> Answered:
        return await self.request().answer()

    async def post(self, *messages: Any, body: bytes | None = None, **headers: str) -> int:
        lines = "\n".join(m if isinstance(m, str) else json.dumps(m) for m in messages)
        about = {"content-type": "application/x-ndjson", **headers}
        sent = [lines.encode() if body is None else body]
        status: int = (await self.request("POST", body=sent, headers=about).answer())["status"]
        return status

    async def messages(self) -> list[Any]:
        answered = await self.get()
        assert answered["status"] == 200
        assert answered["token"] == self.token
        return self.read(answered)

    def read(self, answered: Answered) -> list[Any]:
        return [json.loads(message) for message in answered["messages"]]

    async def joined(self, topic: str = "room:1") -> Self:
        assert await self.post(["1", "1", topic, "phx_join", {}]) == 200
        assert (await self.messages())[0][3] == "phx_reply"
        return self


class PollClient(Client):
    """The client of the test kit, over long polls."""

    def __init__(self, serializer: Serializer, poller: Poller) -> None:
        super().__init__(serializer)
        self._poller = poller
        self._waiting: list[str] = []
        self._sending: asyncio.Task[None] | None = None
        self._polling = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        while True:
            answered = await self._poller.get()
            if answered["status"] not in (200, 204):
                self.ended(Close(1011, str(answered["status"])))
                return
            for message in answered.get("messages", ()):
                self.arrived(Wire(message.encode()))
                self.received[-1] = _bytes_again(self.received[-1])

    def send_raw(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            data = base64.b64encode(data).decode()
        self._waiting.append(data)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        await asyncio.sleep(0)
        while self._waiting:
            batch, self._waiting = self._waiting[:100], self._waiting[100:]
            if await self._poller.post(*batch) != 200:
                self.ended(Close(1011, "sending"))
        self._sending = None


def _bytes_again(message: Message) -> Message:
    """Undo what stands for bytes, as an app does with `channel.onMessage`."""
    match message.payload:
        case {"$binary": str(text)}:
            return msgspec.structs.replace(message, payload=base64.b64decode(text))
        case {"status": status, "response": {"$binary": str(text)}}:
            payload = {"status": status, "response": base64.b64decode(text)}
            return msgspec.structs.replace(message, payload=payload)
        case _:
            return message


async def connect(
    endpoint: Endpoint, *, params: Any = None, vsn: str = "2.0.0", **_: Any
) -> PollClient:
    query = "&".join([f"vsn={vsn}", *(f"{k}={v}" for k, v in (params or {}).items())])
    poller = Poller(endpoint, query=query)
    answered = await poller.get()
    if answered["status"] != 410:
        raise ConnectRefused(status=answered["status"])
    poller.token = answered["token"]
    serializer = negotiate(vsn)
    assert serializer is not None
    client = PollClient(serializer, poller)
    session = next(reversed(endpoint.longpoll._sessions.values()))
    client.connection = session._connection
    return client
