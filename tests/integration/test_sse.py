"""An event stream through a real server: what is sent arrives at once, and a hang-up is noticed."""

import asyncio
import socket
from typing import Any

import uvicorn

from realtime.telemetry import SocketClosed
from realtime.transports.uvicorn_drain import DrainingServer
from tests.unit.realtime.rooms import serving, told_of

PATIENCE_S = 20.0


async def stopping() -> None:
    async with serving() as (endpoint, _):

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await endpoint.sse(scope, receive, send)

        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(app, lifespan="off", log_config=None)
        server = DrainingServer(config, endpoint.node.begin_drain)
        serve = asyncio.create_task(server.serve(sockets=[listener]))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET /socket/sse?vsn=2.0.0&topics=room:1 HTTP/1.1\r\nHost: a.test\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            await reader.readuntil(b"phx_reply")
            server.should_exit = True
            await reader.readuntil(b'event: close\ndata: {"code":1012')
            await serve  # which has no patience of its own, and would wait for the client
        writer.close()
        listener.close()


async def story() -> None:
    async with serving() as (endpoint, told):
        closed = asyncio.Event()
        endpoint.telemetry.attach(lambda e: closed.set() if isinstance(e, SocketClosed) else None)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await endpoint.sse(scope, receive, send)

        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        serve = asyncio.create_task(server.serve(sockets=[listener]))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET /socket/sse?vsn=2.0.0&topics=room:1 HTTP/1.1\r\nHost: a.test\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert b"text/event-stream" in head
            await reader.readuntil(b'data: ["1","1","room:1","phx_reply"')
            await endpoint.broadcast("room:1", "news", {"n": 1})
            await reader.readuntil(b'data: [null,null,"room:1","news",{"n":1}]\n\n')
            writer.close()
            await closed.wait()
        assert told_of(told, SocketClosed)[0].code == 1005
        server.should_exit = True
        await serve
        listener.close()


def test_a_server_that_stops_ends_its_streams() -> None:
    asyncio.run(stopping())


def test_an_event_stream_under_a_real_server() -> None:
    asyncio.run(story())
