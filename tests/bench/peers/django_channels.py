"""Django Channels on uvicorn with its in-memory layer, as its documentation does groups."""

import json
import sys
from typing import Any

import django
import uvicorn
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.routing import ProtocolTypeRouter
from django.conf import settings

settings.configure(
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": "channels.layers.InMemoryChannelLayer",
            "CONFIG": {"capacity": 100_000},
        }
    }
)
django.setup()
_compact = json.JSONEncoder(separators=(",", ":")).encode


class Bench(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """One client."""

    async def receive_json(self, content: Any, **_: Any) -> None:
        """Take a message."""
        join_ref, ref, topic, event, payload = content
        response = {} if event == "phx_join" else payload
        if event == "phx_join":
            await self.channel_layer.group_add("bench", self.channel_name)
        elif event != "ping":
            message = [None, None, topic, event, payload]
            await self.channel_layer.group_send("bench", {"type": "shout", "message": message})
            return
        reply = {"status": "ok", "response": response}
        await self.send_json([join_ref, ref, topic, "phx_reply", reply])

    @classmethod
    async def encode_json(cls, content: Any) -> str:
        """Write as browsers do, without spaces."""
        return _compact(content)

    async def shout(self, event: Any) -> None:
        """Take what was sent to the group."""
        await self.send_json(event["message"])


app = ProtocolTypeRouter({"websocket": Bench.as_asgi()})

if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        backlog=4096,
    )
