"""The server that tests/bench/broadcast.py measures: the whole engine, as an app runs it.

    python -m tests.bench.broadcast_server PORT [each]

With "each" every broadcast is written by itself, to compare with a floor that does the same.
"""

import sys
from collections.abc import Awaitable
from typing import Any, ClassVar

import uvicorn
from typing_extensions import override

from realtime import Channel, Endpoint, LocalPubSub, Ok, Socket
from realtime.telemetry import Event, Telemetry
from realtime.transports.uvicorn_fastlane import FastlaneProtocol

COUNTS: dict[type[Event], int] = {}


class Bench(Channel):
    each: ClassVar[bool] = False

    @override
    def handle_in(self, event: str, payload: Any) -> Ok | Awaitable[None]:
        if event == "ping":
            return Ok(payload)
        return self._shout(event, payload)

    async def _shout(self, event: str, payload: Any) -> None:
        await self.broadcast(event, payload)
        if self.each:
            endpoint: Any = self.socket.endpoint
            endpoint.node.fanout._flush()


class BenchSocket(Socket):
    channels: ClassVar[Any] = {"bench:*": Bench}


def count(event: Event) -> None:
    """Stand in for metrics: what an app does with what it is told."""
    kind = type(event)
    COUNTS[kind] = COUNTS.get(kind, 0) + 1


endpoint = Endpoint(BenchSocket, pubsub=LocalPubSub(), telemetry=Telemetry(count))


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await endpoint.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await endpoint.stop()
        await send({"type": "lifespan.shutdown.complete"})
    else:
        await endpoint.websocket(scope, receive, send)


if __name__ == "__main__":
    Bench.each = "each" in sys.argv[2:]
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        ws=FastlaneProtocol,
        ws_per_message_deflate=False,
        log_config=None,
        backlog=4096,
    )
