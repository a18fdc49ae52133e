"""A web server on loopback whose pages a test writes, and that remembers what it was asked."""

import random
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from msgspec import Struct
from typing_extensions import override


class Asked(Struct, frozen=True):
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    method: str = "GET"
    body: bytes = b""


class Answer(Struct, frozen=True):
    """What a page answers."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = {}


class Pages:
    """Pages by their path; each is an answer, or a function of the request."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []
        self.pages: dict[str, Answer | Callable[[Asked], Answer]] = {}

    def put(self, path: str, page: Answer | bytes | Callable[[Asked], Answer]) -> str:
        """Write a page; gives its address."""
        self.pages[path] = Answer(page) if isinstance(page, bytes) else page
        return self.url + path

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        page = self.pages.get(asked.path, Answer(status=404))
        return page if isinstance(page, Answer) else page(asked)


@contextmanager
def serving(address: str = "127.0.0.1") -> Iterator[Pages]:
    """Serve pages while the block runs; each address of loopback is a host of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answered("GET", b"")

        def do_POST(self) -> None:
            self._answered("POST", self.rfile.read(int(self.headers.get("content-length", "0"))))

        def _answered(self, method: str, body: bytes) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = pages.answer(Asked(self.path, headers, method, body))
            try:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)
            except OSError:
                return

        @override
        def log_message(self, format: str, *args: Any) -> None:
            return

    server = _bound(Handler, address)
    pages = Pages(f"http://{address}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield pages
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _bound(handler: type[BaseHTTPRequestHandler], address: str) -> ThreadingHTTPServer:
    """Bind a port below those that the system hands out to others."""
    while True:
        try:
            server = ThreadingHTTPServer((address, random.randint(20000, 32000)), handler)  # noqa: S311
        except OSError:
            continue
        server.daemon_threads = True
        server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return server


def rss(*items: str, title: str = "Paper") -> bytes:
    """Write an RSS feed of items."""
    channel = f"<title>{title}</title><link>https://paper.example/</link>{''.join(items)}"
    return f"<rss version='2.0'><channel>{channel}</channel></rss>".encode()


def item(name: str, text: str = "Something happened.", **more: str) -> str:
    """Write an RSS item."""
    extra = "".join(f"<{tag}>{value}</{tag}>" for tag, value in more.items())
    return (
        f"<item><guid>{name}</guid><title>{name}</title><description>{text}</description>"
        f"{extra}</item>"
    )
