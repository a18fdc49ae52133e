"""python-socketio on uvicorn, as its documentation does rooms."""

import sys
from typing import Any

import socketio
import uvicorn

server: Any = socketio.AsyncServer(async_mode="asgi", transports=["websocket"])


async def join(sid: str, room: str) -> str:
    """Enter a room."""
    await server.enter_room(sid, room)
    return "ok"


async def ping(_sid: str, payload: Any) -> Any:
    """Answer with what came."""
    return payload


async def shout(_sid: str, payload: Any) -> None:
    """Send to everyone in the room."""
    await server.emit("shout", payload, room="bench:1")


for handler in (join, ping, shout):
    server.on(handler.__name__, handler)

if __name__ == "__main__":
    app = socketio.ASGIApp(server)
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        log_config=None,
        access_log=False,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        backlog=4096,
    )
