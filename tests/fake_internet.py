"""A small internet on loopback: hosts at addresses of 127.0.0.0/8, good, slow, broken and hostile.

Every host keeps its own log of who asked what and when; whether a crawler was polite is read there.
`python -m tests.fake_internet HOSTS LOG` serves until it is told to stop, then writes the log.
"""

import asyncio
import contextlib
import gzip
import itertools
import json
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

KINDS = (
    "plain", "plain", "plain", "plain", "plain", "plain", "tagged", "tagged", "page", "moved",
    "slow", "limiting", "broken", "silent", "gone", "loop", "inward", "bomb", "endless", "deep",
)  # fmt: skip
ENTRIES = 5
_HEAD_SECONDS = 30.0


class Visit(Struct, frozen=True):
    """One request, as its host wrote it down."""

    host: str
    path: str
    status: int
    began: float
    ended: float


class Reply(Struct, frozen=True):
    """What a host answers."""

    status: int = 200
    body: bytes = b""
    headers: Sequence[tuple[str, str]] = ()


Speak: TypeAlias = Callable[[asyncio.StreamWriter, Reply], Awaitable[None]]


def address(number: int) -> str:
    """The address of a host; far from the one that everything else lives at."""
    return f"127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}"


def kind_of(number: int) -> str:
    return KINDS[number % len(KINDS)]


class Internet:
    """Hosts that all listen on one port, each at its own address."""

    def __init__(self, hosts: int, port: int) -> None:
        self.hosts = [address(number) for number in range(hosts)]
        self.kinds = {host: kind_of(number) for number, host in enumerate(self.hosts)}
        self.port = port
        self.visits: list[Visit] = []
        # How many more entries every feed has than at first.
        self.grown = 0

    def url(self, host: str, path: str = "/feed") -> str:
        return f"http://{host}:{self.port}{path}"

    @contextlib.asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """Serve while the block runs."""
        servers = [
            await asyncio.start_server(self._visited(host), sock=_bound(host, self.port))
            for host in self.hosts
        ]
        try:
            yield
        finally:
            for server in servers:
                server.close()

    def _visited(
        self, host: str
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            began, path, status = time.time(), "", 0
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                async with asyncio.timeout(_HEAD_SECONDS):
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                began, path = time.time(), head.split(" ", 2)[1]
                status = await self._answer(host, path, head.lower(), reader, writer)
            self.visits.append(Visit(host, path, status, began, time.time()))
            writer.close()

        return visited

    async def _answer(
        self,
        host: str,
        path: str,
        head: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> int:
        kind = self.kinds[host]
        if kind == "silent":
            # Until the other side has had enough.
            await reader.read()
            return 0
        if kind == "endless":
            await _endless(writer)
            return 200
        reply = self._reply(kind, host, path, head)
        if kind == "slow":
            for start in range(0, len(reply.body), 200):
                await asyncio.sleep(0.05)
                await _speak(writer, reply, start, start + 200)
        else:
            await _speak(writer, reply, 0, len(reply.body))
        return reply.status

    def _reply(self, kind: str, host: str, path: str, head: str) -> Reply:
        if path == "/robots.txt":
            return Reply(404)
        feed = self._feed(host, path)
        if kind == "page" and path.startswith("/feed"):
            return Reply(body=_page("/real" + path))
        if kind == "moved" and path.startswith("/feed"):
            return Reply(301, headers=[("location", "/real" + path)])
        if kind == "tagged":
            tag = f'"{self.grown}"'
            if f"if-none-match: {tag}" in head:
                return Reply(304, headers=[("etag", tag)])
            return Reply(body=feed, headers=[("etag", tag)])
        return {
            "limiting": Reply(429, headers=[("retry-after", "7200")]),
            "gone": Reply(410),
            "loop": Reply(302, headers=[("location", path)]),
            "inward": Reply(302, headers=[("location", "http://169.254.169.254/latest")]),
            "broken": Reply(body=feed[: len(feed) // 2], headers=[("content-length", "99999")]),
            "bomb": Reply(body=_BOMB, headers=[("content-encoding", "gzip")]),
            "deep": Reply(body=_DEEP),
        }.get(kind, Reply(body=feed))

    def _feed(self, host: str, path: str) -> bytes:
        name = f"{host}{path.removeprefix('/real')}"
        items = "".join(
            f"<item><guid>{name}/{n}</guid><title>{_words(name, n, 6)}</title>"
            f"<link>http://{host}.example{path}/{n}</link>"
            f"<description>{_words(name, n, 60)}</description></item>"
            for n in range(ENTRIES + self.grown)
        )
        return f"<rss version='2.0'><channel><title>{name}</title>{items}</channel></rss>".encode()


_BOMB = gzip.compress(b"<rss>" + b" " * 40_000_000, 9)
_DEEP = b"<rss>" + b"<a>" * 200_000
_WORDS = ("river", "weir", "salmon", "bridge", "council", "night", "tram", "signal", "harbour")


def _words(name: str, number: int, count: int) -> str:
    choice = random.Random(f"{name} {number}")  # noqa: S311 - the same at every run
    return " ".join(choice.choice(_WORDS) for _ in range(count))


def _page(feed: str) -> bytes:
    link = f"<link rel='alternate' type='application/rss+xml' href='{feed}'>"
    return f"<!doctype html><html><head>{link}</head><body>Welcome</body></html>".encode()


async def _speak(writer: asyncio.StreamWriter, reply: Reply, start: int, end: int) -> None:
    if start == 0:
        headers = dict(reply.headers)
        headers.setdefault("content-length", str(len(reply.body)))
        headers["connection"] = "close"
        lines = [f"HTTP/1.1 {reply.status} OK", *(f"{k}: {v}" for k, v in headers.items())]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    writer.write(reply.body[start:end])
    await writer.drain()


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<rss>")
    while not writer.is_closing():
        writer.write(b"<item><title>More</title></item>" * 2000)
        await writer.drain()


def _bound(host: str, port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    return sock


def free_port(hosts: int) -> int:
    """A port that is free at every address of so many hosts, as far as the first can tell."""
    while True:
        port = random.randint(20_000, 32_000)  # noqa: S311
        with contextlib.suppress(OSError):
            for host in (address(0), address(hosts - 1)):
                _bound(host, port).close()
            return port


def overlaps(visits: Sequence[Visit], slack: float = 0.1) -> list[tuple[Visit, Visit]]:
    """Visits that one host had at the same time; a goodbye may arrive a moment late."""
    found = []
    for own in _by_host(visits).values():
        for earlier, later in itertools.pairwise(own):
            if later.began < earlier.ended - slack:
                found.append((earlier, later))
    return found


def crowds(
    visits: Sequence[Visit], *, spacing: float, burst: int, slack: float = 0.3
) -> list[Visit]:
    """Visits that came sooner than a bucket of so many, filled at such a pace, lets them."""
    found = []
    for own in _by_host(visits).values():
        full = 0.0
        for each in own:
            if full - each.began > spacing * (burst - 1) + slack:
                found.append(each)
            full = max(full, each.began) + spacing
    return found


def _by_host(visits: Sequence[Visit]) -> dict[str, list[Visit]]:
    found: dict[str, list[Visit]] = {}
    for each in sorted(visits, key=lambda visit: visit.began):
        found.setdefault(each.host, []).append(each)
    return found


@contextmanager
def serving(hosts: int) -> Iterator[Internet]:
    """Serve from a thread while the block runs."""
    internet = Internet(hosts, free_port(hosts))
    ready = threading.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with internet.served():
            ready.set()
            await asyncio.Event().wait()

    task: list[asyncio.Task[None]] = []

    def run() -> None:
        asyncio.set_event_loop(loop)
        task.append(loop.create_task(serve()))
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task[0])
        for left in asyncio.all_tasks(loop):
            left.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                loop.run_until_complete(left)
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait(30)
    try:
        yield internet
    finally:
        loop.call_soon_threadsafe(task[0].cancel)
        thread.join(30)


async def _alone(hosts: int, port: int, log: Path) -> None:
    """Serve as a process of its own; one entry more for every feed at each SIGUSR1."""
    internet = Internet(hosts, port)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def grow() -> None:
        internet.grown += 1

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, grow)
    async with internet.served():
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await stop.wait()
    fields = Visit.__struct_fields__
    rows = [{name: getattr(each, name) for name in fields} for each in internet.visits]
    await asyncio.to_thread(log.write_text, json.dumps(rows))


if __name__ == "__main__":
    asyncio.run(_alone(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
