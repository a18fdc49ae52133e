"""Starlette on uvicorn, as most would write it: a set of sockets for each topic, one loop."""

import json
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

rooms: dict[str, set[WebSocket]] = {}
_compact = json.JSONEncoder(separators=(",", ":")).encode


async def serve(socket: WebSocket) -> None:
    """Serve one client."""
    await socket.accept()
    try:
        while True:
            join_ref, ref, topic, event, payload = json.loads(await socket.receive_text())
            response = {} if event == "phx_join" else payload
            if event == "phx_join":
                rooms.setdefault(topic, set()).add(socket)
            elif event != "ping":
                text = _compact([None, None, topic, event, payload])
                for each in tuple(rooms[topic]):
                    await each.send_text(text)
                continue
            reply = {"status": "ok", "response": response}
            await socket.send_text(_compact([join_ref, ref, topic, "phx_reply", reply]))
    except WebSocketDisconnect:
        for room in rooms.values():
            room.discard(socket)


app = Starlette(routes=[WebSocketRoute("/socket/websocket", serve)])

if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        log_config=None,
        access_log=False,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        backlog=4096,
    )
