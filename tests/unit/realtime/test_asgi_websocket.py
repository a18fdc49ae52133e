"""`realtime.transports.websocket` under any ASGI server: what goes in, and what comes out."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from realtime import Endpoint
from realtime.telemetry import SocketClosed, WriterOverflowed
from tests.unit.realtime.rooms import Room, serving, told_of

Event = dict[str, Any]


class Server:
    """Plays the ASGI server for one client."""

    def __init__(self, endpoint: Endpoint, **scope: Any) -> None:
        self.sent: list[Event] = []
        self.reading = asyncio.Event()  # cleared: the client reads nothing, and send() waits
        self.reading.set()
        self.hang_up = False
        self._endpoint = endpoint
        self._in: asyncio.Queue[Event] = asyncio.Queue()
        self._news = asyncio.Event()
        self._scope = {
            "type": "websocket",
            "path": "/socket/websocket",
            "query_string": b"vsn=2.0.0",
            "headers": [(b"host", b"here.test")],
            "scheme": "ws",
            "subprotocols": [],
            "client": ("10.0.0.1", 5),
            "extensions": {"websocket.http.response": {}},
            **scope,
        }
        self.task = asyncio.create_task(endpoint.websocket(self._scope, self._receive, self._send))
        self.put({"type": "websocket.connect"})

    async def _receive(self) -> Event:
        return await self._in.get()

    async def _send(self, event: Event) -> None:  # type: ignore[override]
        await self.reading.wait()
        if self.hang_up:
            raise OSError("gone")
        self.sent.append(event)
        self._news.set()
        if event["type"] == "websocket.close":
            self.put({"type": "websocket.disconnect", "code": event.get("code", 1000)})

    def put(self, event: Event) -> None:
        self._in.put_nowait(event)

    def text(self, *message: Any) -> None:
        self.put({"type": "websocket.receive", "text": json.dumps(message)})

    async def next(self) -> Event:
        async with asyncio.timeout(100):
            while not self.sent:
                self._news.clear()
                await self._news.wait()
        return self.sent.pop(0)

    async def accepted(self) -> Event:
        event = await self.next()
        assert event["type"] == "websocket.accept"
        return event

    async def joined(self, topic: str = "room:1") -> None:
        await self.accepted()
        self.text("1", "1", topic, "phx_join", {})
        assert "phx_reply" in (await self.next())["text"]


@asynccontextmanager
async def server(**limits: Any) -> AsyncIterator[tuple[Any, list[Any]]]:
    async with serving(**limits) as (endpoint, told):
        yield lambda **scope: Server(endpoint, **scope), told


async def test_a_conversation() -> None:
    async with server() as (connect, told):
        client = connect()
        await client.joined()
        client.text("1", "2", "room:1", "shout", {"a": 1})
        assert await client.next() == {
            "type": "websocket.send",
            "text": '[null,null,"room:1","shout",{"a":1}]',
        }
        push = b"\x00\x01\x01\x06\x05" + b"13room:1shout\x01"
        client.put({"type": "websocket.receive", "bytes": push, "text": None})
        assert (await client.next())["bytes"] == b"\x02\x06\x05room:1shout\x01"
        client.put({"type": "websocket.disconnect", "code": 1001, "reason": None})
        await client.task
        assert told_of(told, SocketClosed)[0].code == 1001
        assert Room.ended == [("room:1", "closed")]


async def test_what_the_socket_is_told_of_its_client() -> None:
    async with server() as (connect, _):
        token = base64.b64encode(b"s3cret?").decode().rstrip("=")
        client = connect(
            query_string=b"vsn=2.0.0&name=ada&nested%5Ba%5D=1&&",
            subprotocols=["phoenix", f"base64url.bearer.phx.{token}"],
            headers=[
                (b"host", b"here.test:80"),
                (b"User-Agent", b"test"),
                (b"x-request-id", b"7"),
                (b"cookie", b"private"),
            ],
            path_params={"project": "9"},
            session={"user_id": 7},
        )
        # `phoenix` is echoed and nothing else: a browser fails without it, the token stays private.
        assert await client.accepted() == {"type": "websocket.accept", "subprotocol": "phoenix"}
        ((connection,),) = (client._endpoint.node.connections,)
        info = connection.socket.info
        assert info.params == {
            "vsn": "2.0.0",
            "name": "ada",
            "nested": {"a": "1"},
            "project": "9",
        }
        assert (info.auth_token, info.peer, info.transport) == ("s3cret?", "10.0.0.1", "websocket")
        assert info.headers == {"user-agent": "test", "x-request-id": "7"}
        assert info.uri == "ws://here.test:80/socket/websocket"
        assert info.port == 5
        assert info.session == {"user_id": 7}


async def test_where_any_page_may_connect_nobody_is_known_by_a_cookie() -> None:
    async with server() as (connect, _):
        client = connect(session={"user_id": 7}, headers=[(b"origin", b"https://evil.test")])
        client._endpoint.node.check_origin = False
        await client.accepted()
        ((connection,),) = (client._endpoint.node.connections,)
        assert connection.socket.info.session is None


async def test_a_request_for_no_websocket_is_answered_400() -> None:
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    async with serving() as (endpoint, _):
        await endpoint.websocket({"type": "http", "method": "GET"}, None, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 400
    assert b"upgrade" in sent[1]["body"]


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        ({"query_string": b"vsn=2.0"}, 403),
        ({"query_string": b"vsn[]=2.0.0"}, 403),
        ({"query_string": b"vsn=2.0.0&status=429"}, 429),
        ({"query_string": b"vsn=2.0.0&status=401"}, 401),
        ({"query_string": b"&".join([b"a=1"] * 600)}, 403),
        ({"headers": [(b"host", b"here.test"), (b"origin", b"https://evil.test")]}, 403),
    ],
)
async def test_who_is_refused_before_the_upgrade(scope: dict[str, Any], status: int) -> None:
    async with server() as (connect, _):
        client = connect(**scope)
        await client.task
        if status == 403:
            assert client.sent == [{"type": "websocket.close"}]
        else:
            assert [event["type"] for event in client.sent] == [
                "websocket.http.response.start",
                "websocket.http.response.body",
            ]
            assert client.sent[0]["status"] == status


async def test_a_server_that_knows_no_statuses_is_told_to_close() -> None:
    async with server() as (connect, _):
        client = connect(query_string=b"vsn=2.0.0&status=429", extensions={})
        await client.task
        assert client.sent == [{"type": "websocket.close"}]


async def test_without_a_vsn_it_is_version_1_and_without_an_origin_it_is_no_page() -> None:
    async with server() as (connect, _):
        client = connect(query_string=b"")
        assert (await client.accepted())["subprotocol"] is None
        client.put(
            {
                "type": "websocket.receive",
                "text": '{"topic":"room:1","event":"phx_join","payload":{},"ref":"1"}',
            }
        )
        reply = json.loads((await client.next())["text"])
        assert reply["payload"] == {"status": "ok", "response": {}}
        assert "join_ref" not in reply


async def test_a_client_that_never_reads_is_bounded_and_gone_in_bounded_time() -> None:
    async with server(writer_bytes=1_000, close_grace_s=1.5) as (connect, told):
        client = connect()
        await client.joined()
        reader = connect()
        await reader.joined()
        client.reading.clear()
        for n in range(30):
            await client._endpoint.broadcast("room:1", "news", {"n": n, "pad": "x" * 100})
            assert json.loads((await reader.next())["text"])[4]["n"] == n  # nobody else waits
        await client.task  # given up by the transport though send() never returned
        (overflow,) = told_of(told, WriterOverflowed)
        assert 1_000 < overflow.waiting_bytes < 1_200
        assert told_of(told, SocketClosed)[0].code == 4008
        assert len(client._endpoint.node.connections) == 1


async def test_a_client_that_takes_nothing_is_gone_however_little_waits() -> None:
    async with server(writer_stall_s=20) as (connect, told):
        client = connect()
        await client.joined()
        client.reading.clear()
        client.text("1", "2", "room:1", "ping", {})
        while not client.task.done():
            await asyncio.sleep(5)
            client.text(None, "3", "phoenix", "heartbeat", {})
        assert told_of(told, WriterOverflowed)[0].cause == "stalled"
        assert told_of(told, SocketClosed)[0].seconds < 30


async def test_a_client_that_vanishes_while_it_is_sent_to() -> None:
    async with server() as (connect, told):
        client = connect()
        await client.joined()
        client.hang_up = True
        await client._endpoint.broadcast("room:1", "news", {})
        await asyncio.sleep(1)
        client.put({"type": "websocket.disconnect", "code": 1005})
        await client.task
        assert told_of(told, SocketClosed)[0].code == 1005


async def test_a_server_that_ends_the_task_ends_the_channels() -> None:
    async with server() as (connect, told):
        client = connect()
        await client.joined()
        client.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await client.task
        assert told_of(told, SocketClosed)[0].code == 1011
        await asyncio.sleep(1)
        assert Room.ended == [("room:1", "closed")]


async def test_a_stop_says_1012_behind_what_was_broadcast() -> None:
    async with server() as (connect, _):
        client = connect()
        await client.joined()
        await client._endpoint.broadcast("room:1", "last", {})
        await client._endpoint.stop()
        assert "last" in (await client.next())["text"]
        close = await client.next()
        assert (close["type"], close["code"]) == ("websocket.close", 1012)
        await client.task


async def test_only_websockets_are_served() -> None:
    async with serving() as (endpoint, _):
        with pytest.raises(RuntimeError, match="websockets"):
            await endpoint.websocket({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
