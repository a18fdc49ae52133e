"""The server that tests/bench/realtime.py measures: the whole engine, as `lumen serve` runs it.

    python -m tests.bench.realtime_server PORT [each] [held] [redis=URL]

Every socket shows a signed token, its messages are counted against rates, and the metrics are
Lumen's own. With "each" every broadcast is written by itself, to compare with a floor that does
the same. With "held" GET / answers the longest time that broadcasts held the loop, in ms.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable
from typing import Any, ClassVar

import uvicorn
from typing_extensions import override

from realtime import Channel, ConnectRefused, Endpoint, LocalPubSub, Ok, Socket
from realtime.limits import Limits
from realtime.pubsub.redis import RedisPubSub
from realtime.rates import Rate, Rates
from realtime.telemetry import Event, Flushed, SocketClosed, Telemetry
from realtime.token import Token, TokenRefused
from realtime.transports.uvicorn_door import DoorProtocol
from realtime.transports.uvicorn_fastlane import FastlaneProtocol
from server import observability
from server.cli.collecting import spare_the_collector

SIGNED = Token("the secret of a benchmark, which keeps nothing")
PLENTY = Rate(1e9, 1e9)


class Bench(Channel):
    raw: ClassVar[frozenset[str]] = frozenset({"ping", "shout"})

    @override
    def handle_in(self, event: str, payload: Any) -> Ok | Awaitable[None]:
        return Ok(payload) if event == "ping" else self.broadcast(event, payload)


class BenchSocket(Socket):
    channels: ClassVar[Any] = {"bench:*": Bench}

    @override
    def connect(self) -> None:
        try:
            token = self.info.auth_token or ""
            self.assigns["user"] = SIGNED.verify("bench", token)
        except TokenRefused as error:
            raise ConnectRefused("token", 401) from error


class Held:
    """How long the loop was held at most between the first broadcast and the first goodbye.

    In CPU time, so that another process on the core is not taken for ours.
    """

    def __init__(self) -> None:
        self.most_ms = 0.0
        self._counts = False

    def told(self, event: Event) -> None:
        """Begin to count, and end."""
        if isinstance(event, Flushed):
            self._counts = True
        elif isinstance(event, SocketClosed):
            self._counts = False

    async def watch(self) -> None:
        """Wake up as often as the loop lets it."""
        while True:
            began = time.thread_time()
            await asyncio.sleep(0.001)
            if self._counts:
                self.most_ms = max(self.most_ms, (time.thread_time() - began) * 1000)


class App:
    """The endpoint, and a page that tells how long the loop was held."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._held = Held()
        if "held" in sys.argv:
            endpoint.telemetry.attach(self._held.told)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self._endpoint.websocket(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            body = str(self._held.most_ms).encode()
            await send({"type": "http.response.body", "body": body})

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        async with self._endpoint:
            watching = asyncio.create_task(self._held.watch()) if "held" in sys.argv else None
            await send({"type": "lifespan.startup.complete"})
            await receive()
            if watching is not None:
                watching.cancel()
        await send({"type": "lifespan.shutdown.complete"})


def main(port: int, words: list[str]) -> None:
    """Serve until a signal comes."""
    telemetry = Telemetry(observability.on_realtime)
    redis = next((word.removeprefix("redis=") for word in words if "redis=" in word), None)
    pubsub = RedisPubSub(redis, telemetry=telemetry) if redis else LocalPubSub()
    limits = Limits(socket_rates=Rates(joins=PLENTY, pushes=PLENTY, bytes=PLENTY))
    endpoint = Endpoint(BenchSocket, pubsub=pubsub, limits=limits, telemetry=telemetry)
    endpoint.node.fanout.coalesces = "each" not in words
    spare_the_collector()
    uvicorn.run(
        App(endpoint),
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http=DoorProtocol,
        ws=FastlaneProtocol,
        ws_per_message_deflate=False,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=4096,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
