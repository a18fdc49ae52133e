"""The websocket transport under a real uvicorn: its stock class, and our lane through it."""

import asyncio
import base64
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from realtime import Limits
from realtime.telemetry import SocketClosed, WriterOverflowed
from realtime.transports.uvicorn_door import DoorProtocol
from realtime.transports.uvicorn_fastlane import FastlaneProtocol
from tests.unit.realtime.rooms import Room, serving, told_of

PATIENCE_S = 20.0


class Running:
    """One uvicorn with one endpoint, in the loop of the test."""

    def __init__(self, endpoint: Any, told: list[Any], server: uvicorn.Server, port: int) -> None:
        self.endpoint = endpoint
        self.told = told
        self.server = server
        self.url = f"ws://127.0.0.1:{port}/socket/websocket?vsn=2.0.0"

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():  # noqa: ASYNC110 - uvicorn tells of nothing
                await asyncio.sleep(0.01)


def app_of(endpoint: Any) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await endpoint.websocket(scope, receive, send)

    return app


@asynccontextmanager
async def running(ws: Any, **limits: Any) -> AsyncIterator[Running]:
    listener = socket.create_server(("127.0.0.1", 0))
    config: dict[str, Any] = {"lifespan": "off", "log_config": None, "ws": ws}
    if ws is DoorProtocol:
        config |= {"http": DoorProtocol, "ws": FastlaneProtocol}
    async with serving(**limits) as (endpoint, told):
        server = uvicorn.Server(
            uvicorn.Config(app_of(endpoint), ws_per_message_deflate=False, **config)
        )
        serve = asyncio.create_task(server.serve(sockets=[listener]))
        here = Running(endpoint, told, server, listener.getsockname()[1])
        await here.until(lambda: server.started)
        try:
            yield here
        finally:
            server.should_exit = True
            await asyncio.wait_for(serve, PATIENCE_S)
            listener.close()


KINDS = {"door": DoorProtocol, "fastlane": FastlaneProtocol}


@pytest.fixture(params=["door", "fastlane", "websockets-sansio"])
def ws(request: pytest.FixtureRequest) -> Any:
    return KINDS.get(request.param, request.param)


Play = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest) -> Play:
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def run(story: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(story)

    return run


async def joined(client: ClientConnection, topic: str = "room:1") -> None:
    await client.send(json.dumps(["1", "1", topic, "phx_join", {}]))
    assert json.loads(await client.recv())[3] == "phx_reply"


async def closing(client: ClientConnection) -> int:
    async with asyncio.timeout(PATIENCE_S):
        await client.wait_closed()
    assert client.close_code is not None
    return client.close_code


def test_a_conversation(ws: Any, play: Play) -> None:
    async def story() -> None:
        async with running(ws) as here, connect(here.url) as client:
            await joined(client)
            await client.send('["1","2","room:1","shout_and_push",{}]')
            frames = [json.loads(await client.recv()) for _ in range(7)]
            assert [frame[3] for frame in frames] == ["shout", "own"] * 3 + ["phx_reply"]
            await client.send(b"\x00\x01\x01\x06\x05" + b"13room:1shout" + b"\x01\x02")
            assert await client.recv() == b"\x02\x06\x05room:1shout\x01\x02"
            await client.send(["[null,", '"9","phoenix",', '"heartbeat",{}]'])  # in fragments
            assert json.loads(await client.recv())[1] == "9"
            big = "é" * 50_000
            await client.send(json.dumps(["1", "4", "room:1", "ping", {"big": big}]))
            assert json.loads(await client.recv())[4]["response"] == {"big": big}
            await client.send("nonsense")
            await client.send('[null,"10","phoenix","heartbeat",{}]')
            assert json.loads(await client.recv())[1] == "10"
        assert Room.ended == [("room:1", "closed")]

    play(story())


def test_the_way_in_and_out(ws: Any, play: Play) -> None:
    async def story() -> None:
        async with running(ws) as here:
            token = base64.b64encode(b"secret").decode().rstrip("=")
            offered: Any = ["phoenix", f"base64url.bearer.phx.{token}"]
            async with connect(f"{here.url}&name=ada", subprotocols=offered) as client:
                assert client.subprotocol == "phoenix"
                ((connection,),) = (here.endpoint.node.connections,)
                assert connection.socket.info.auth_token == "secret"
                await here.endpoint.disconnect("guest:ada")
                assert await closing(client) == 1001
            for query, status in (("&status=429", 429), ("&status=401", 401), ("&vsn=9", 403)):
                with pytest.raises(InvalidStatus) as refused:
                    await connect(here.url + query)
                assert refused.value.response.status_code == status
            with pytest.raises(InvalidStatus):
                await connect(here.url, origin="https://evil.test")  # type: ignore[arg-type]

    play(story())


def test_a_broken_client_is_closed_with_what_it_broke(ws: Any, play: Play) -> None:
    async def story() -> None:
        async with running(ws) as here:
            async with connect(here.url) as client:
                await joined(client)
                await client.send(b"\xff\xff", text=True)
                assert await closing(client) == 1007
            async with connect(here.url) as client:
                await joined(client)
                await client.send("x" * (Limits().max_frame_bytes + 1))
                assert await closing(client) == 1009
            async with connect(here.url) as client:
                await joined(client)
                client.transport.write(b"\xff\xff\xff\xff")
                assert await closing(client) == 1002
            async with connect(here.url) as client:
                await joined(client)
                client.transport.abort()
            await here.until(lambda: len(told_of(here.told, SocketClosed)) == 4)
            assert here.endpoint.node.connections == {}
            await here.until(lambda: len(Room.ended) == 4)

    play(story())


def test_a_stop_says_1012_to_everyone(ws: Any, play: Play) -> None:
    async def story() -> None:
        async with running(ws) as here:
            clients = [await connect(here.url) for _ in range(3)]
            for client in clients:
                await joined(client)
            here.server.should_exit = True
            assert [await closing(client) for client in clients] == [1012] * 3

    play(story())


def test_the_lane_writes_the_tokens_of_nobody_into_the_log(
    caplog: pytest.LogCaptureFixture, play: Play
) -> None:
    async def story() -> None:
        async with running(FastlaneProtocol) as here, connect(f"{here.url}&token=s3cret") as client:
            await joined(client)

    with caplog.at_level(logging.DEBUG):
        logging.getLogger("websockets").setLevel(logging.WARNING)  # the test's own client
        play(story())
    assert "s3cret" not in caplog.text


UPGRADE = (
    b"GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def masked(text: bytes) -> bytes:
    return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text


async def deaf(here: Running) -> socket.socket:
    """A client that joins room:1, and then never reads again."""
    host, port = "127.0.0.1", int(here.url.split(":")[2].split("/")[0])
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(0)
    await loop.sock_connect(client, (host, port))
    await loop.sock_sendall(client, UPGRADE)
    assert b" 101 " in await loop.sock_recv(client, 4096)
    await loop.sock_sendall(client, masked(b'["1","1","room:1","phx_join",{}]'))
    assert b"phx_reply" in await loop.sock_recv(client, 4096)
    return client


def test_in_the_lane_a_client_that_never_reads_cannot_stay_or_hold_up_the_others(
    play: Play,
) -> None:
    async def story() -> None:
        limits = {"writer_bytes": 200_000, "close_grace_s": 0.2}
        async with running(FastlaneProtocol, **limits) as here, connect(here.url) as client:
            await joined(client)
            zombie = await deaf(here)
            payload = {"pad": "x" * 20_000}
            count = 0
            while not told_of(here.told, SocketClosed):
                await here.endpoint.broadcast("room:1", "news", payload)
                assert json.loads(await client.recv())[3] == "news"
                count += 1
                assert count < 2_000
            (overflow,) = told_of(here.told, WriterOverflowed)
            assert overflow.waiting_bytes < 300_000
            assert len(here.endpoint.node.connections) == 1
            # The connection itself is gone too, not only what we knew of it.
            await here.until(lambda: len(here.server.server_state.connections) == 1)
            zombie.close()

    play(story())


def test_in_the_lane_a_client_that_vanishes_harms_nobody_who_is_sent_the_same(
    play: Play,
) -> None:
    async def story() -> None:
        async with running(FastlaneProtocol) as here, connect(here.url) as client:
            await joined(client)
            for _ in range(20):
                doomed = await connect(here.url)
                await joined(doomed)
                await here.endpoint.broadcast("room:1", "news", {"pad": "x" * 10_000})
                doomed.transport.abort()
                await here.endpoint.broadcast("room:1", "news", {})
            for _ in range(40):
                assert json.loads(await client.recv())[3] == "news"
            await here.until(lambda: len(here.endpoint.node.connections) == 1)

    play(story())


def test_in_the_lane_a_stop_is_not_held_up_by_a_client_that_never_reads(play: Play) -> None:
    async def story() -> None:
        async with running(FastlaneProtocol, close_grace_s=0.2) as here:
            zombie = await deaf(here)
            await here.endpoint.broadcast("room:1", "news", {"pad": "x" * 900_000})
            here.server.should_exit = True
            await here.until(lambda: not here.server.server_state.connections)
            zombie.close()

    play(story())


@asynccontextmanager
async def hosting(app: Any, **settings: Any) -> AsyncIterator[Running]:
    """Serve any websocket app by our class."""
    listener = socket.create_server(("127.0.0.1", 0))
    config: dict[str, Any] = {"ws_per_message_deflate": False, **settings}
    config |= {"ws": FastlaneProtocol, "lifespan": "off", "log_config": None}
    server = uvicorn.Server(uvicorn.Config(app, **config))
    serve = asyncio.create_task(server.serve(sockets=[listener]))
    here = Running(None, [], server, listener.getsockname()[1])
    await here.until(lambda: server.started)
    try:
        yield here
    finally:
        server.should_exit = True
        await asyncio.wait_for(serve, PATIENCE_S)
        listener.close()


def test_in_the_lane_a_deflated_connection_is_served_by_plain_asgi(play: Play) -> None:
    async def story() -> None:
        async with (
            serving() as (endpoint, _),
            hosting(app_of(endpoint), ws_per_message_deflate=True) as here,
            connect(here.url) as client,
        ):
            await joined(client)
            await endpoint.broadcast("room:1", "news", {"pad": "x" * 1_000})
            assert json.loads(await client.recv())[3] == "news"

    play(story())


def test_in_the_lane_other_websocket_apps_are_served_as_ever(play: Play) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        if "refuse" in scope["query_string"].decode():
            raise ValueError("as asked")
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"] * 2})

    async def story() -> None:
        async with hosting(app) as here:
            async with connect(here.url) as client:
                assert await client.recv() == "hello"
                await client.send("echo")
                assert await client.recv() == "echoecho"
                await asyncio.wait_for(await client.ping(), PATIENCE_S)
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{here.url}&refuse")
            assert refused.value.response.status_code == 500
            async with connect(here.url) as client:
                here.server.should_exit = True
                assert await closing(client) == 1012

    play(story())


def test_in_the_lane_what_comes_right_behind_the_upgrade_is_not_lost(play: Play) -> None:
    async def story() -> None:
        async with running(FastlaneProtocol) as here:
            loop = asyncio.get_running_loop()
            client = socket.create_connection(("127.0.0.1", int(here.url.split(":")[2][:5])))
            client.settimeout(0)
            head = UPGRADE.replace(b"vsn=2.0.0", b"vsn=2.0.0&slow=0.3")
            await loop.sock_sendall(client, head)
            await here.until(lambda: bool(here.server.server_state.tasks))
            await loop.sock_sendall(client, masked(b'["1","1","room:1","phx_join",{}]'))
            seen = b""
            while b"phx_reply" not in seen:
                seen += await asyncio.wait_for(loop.sock_recv(client, 4096), PATIENCE_S)
            client.close()

    play(story())


def test_in_the_lane_pings_are_answered_and_a_goodbye_is_returned(play: Play) -> None:
    async def story() -> None:
        async with running(FastlaneProtocol) as here:
            async with connect(here.url) as client:
                await joined(client)
                await asyncio.wait_for(await client.ping(b"are you there"), PATIENCE_S)
                await client.close(4321, "enough")
                assert (client.close_code, client.close_reason) == (4321, "enough")
            closed = told_of(here.told, SocketClosed)[0]
            assert (closed.code, closed.reason) == (4321, "enough")
            await here.until(lambda: not here.server.server_state.connections)

    play(story())
