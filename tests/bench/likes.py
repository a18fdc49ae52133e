"""How long a like takes to another screen, through the processes that ship.

    python -m tests.bench.likes [LIKES] [SCREENS]

A PUT over HTTP, its commit, the fold in the pulse, Redis, the web node, the websocket: from just
before the request is sent until the frame is there. Each like is isolated: the item was still.
"""

import asyncio
import base64
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tests.bench.stage import Stage, conditions, in_loop, percentiles, stage

ITEMS = 2_000
BETWEEN_SECONDS = 0.25
HEARTBEAT_SECONDS = 20.0
TOPIC = "feed:news"
_SHORT = 126


def main(likes: int = 200, screens: int = 1000) -> None:
    """Print the figures."""
    print(f"like to another screen · {conditions()} · {likes} isolated likes", flush=True)
    with stage(pulse=True, prepare=f"tests.bench.archive {ITEMS}") as ready:
        in_loop(measure(ready, likes, screens))


async def measure(ready: Stage, likes: int, screens: int) -> None:
    """Like an item again and again, first with one screen that watches, then with many."""
    async with httpx2.AsyncClient(base_url=ready.url) as http:
        answer = await http.post(
            "/auth/register",
            json={"username": "liker", "email": "l@example.org", "password": "a long pass phrase"},
        )
        http.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        http.cookies.clear()
        page = (await http.get("/feed/news", params={"limit": 1})).json()
        item = page["slides"][0]["featured"]["id"]
        watching = [await watch(ready, item)]
        beating = asyncio.create_task(beat(watching))
        await like_often(http, item, watching, 20)
        first, _, answered = await like_often(http, item, watching, likes)
        print(f"  the answer to the request itself   {percentiles(answered)}")
        print(f"  one screen                         {percentiles(first)}")
        while len(watching) < screens:
            more = min(50, screens - len(watching))
            watching += await asyncio.gather(*(watch(ready, item) for _ in range(more)))
        await like_often(http, item, watching, 6)
        _, every, _ = await like_often(http, item, watching, likes)
        print(f"  all of {len(watching):,} screens               {percentiles(every)}")
        beating.cancel()
        for screen in watching:
            screen.close()


async def beat(watching: list["Screen"]) -> None:
    """Send heartbeats, as every client does."""
    while True:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        for screen in list(watching):
            screen.say([None, "0", "phoenix", "heartbeat", {}])


async def like_often(
    http: httpx2.AsyncClient, item: str, watching: list["Screen"], count: int
) -> tuple[list[float], list[float], list[float]]:
    """Like and unlike, an even number of times.

    Gives the seconds until the first screen knew, until all did, and until the answer.

    Arrivals are stamped as they are read from the sockets; nothing is decoded in between.
    """
    first, every, answered = [], [], []
    for turn in range(count):
        arrived: list[float] = []
        done = asyncio.Event()

        def note(arrived: list[float] = arrived, done: asyncio.Event = done) -> None:
            arrived.append(time.perf_counter())
            if len(arrived) == len(watching):
                done.set()

        for screen in watching:
            screen.told = note
        began = time.perf_counter()
        method = "PUT" if turn % 2 == 0 else "DELETE"
        answer = await http.request(method, f"/items/{item}/like")
        answered.append(time.perf_counter() - began)
        assert answer.status_code == 200, answer.text
        async with asyncio.timeout(20):
            await done.wait()
        first.append(arrived[0] - began)
        every.append(arrived[-1] - began)
        await asyncio.sleep(BETWEEN_SECONDS)
    return first, every, answered


async def watch(ready: Stage, item: str) -> "Screen":
    """Open a screen that watches the item."""
    host, port = urlsplit(ready.url).netloc.split(":")
    loop = asyncio.get_running_loop()
    _, screen = await loop.create_connection(lambda: Screen(f"{host}:{port}"), host, int(port))
    await screen.answered()
    screen.say(["1", "1", TOPIC, "phx_join", {"limit": 1}])
    await screen.answered()
    screen.say(["1", "2", TOPIC, "watch", {"ids": [item]}])
    await screen.answered()
    return screen


class Screen(asyncio.Protocol):
    """A websocket that does next to nothing with what it is sent."""

    def __init__(self, host: str, token: str | None = None) -> None:
        self._host = host
        self._token = token
        self._answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: Any
        self.told: Callable[[], None] = lambda: None
        self.on_frame: Callable[[bytes], object] = lambda _data: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a websocket."""
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        shown = ""
        if self._token:
            bearer = base64.urlsafe_b64encode(self._token.encode()).rstrip(b"=").decode()
            shown = f"Sec-WebSocket-Protocol: phoenix, base64url.bearer.phx.{bearer}\r\n"
        self._transport.write(
            (
                f"GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: {self._host}\r\n"
                f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                f"{shown}Sec-WebSocket-Key: {key}\r\n\r\n"
            ).encode()
        )

    def data_received(self, data: bytes) -> None:
        """Take note; a frame of counters is known by its event's name."""
        self.on_frame(data)
        if b'"counters"' in data and b"phx_reply" not in data:
            self.told()
        elif (b"phx_reply" in data or b" 101 " in data) and not self._answer.done():
            self._answer.set_result(None)

    async def answered(self) -> None:
        """Wait for the next answer."""
        async with asyncio.timeout(20):
            await self._answer
        self._answer = asyncio.get_running_loop().create_future()

    def say(self, message: list[object]) -> None:
        """Send a message, masked with zeroes, as a client may."""
        body = json.dumps(message).encode()
        size = len(body)
        head = bytes((0x81, 0x80 | size)) if size < _SHORT else b"\x81\xfe" + size.to_bytes(2)
        self._transport.write(head + bytes(4) + body)

    def close(self) -> None:
        """Go away."""
        self._transport.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
