"""HTTP as the transports need it: a body with a bound, an answer, and when the client hangs up."""

from collections.abc import Iterable
from typing import Any

import msgspec

from realtime.transports.admission import Receive, Scope, Send, header

_json = msgspec.json.Encoder()


class BodyRefused(Exception):
    """A body that is longer than it may be, or that broke off."""


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the whole body; raises BodyRefused."""
    declared = header(scope, b"content-length")
    if declared.isdigit() and int(declared) > limit:
        raise BodyRefused
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise BodyRefused
        body += message.get("body", b"")
        if len(body) > limit:
            raise BodyRefused
        if not message.get("more_body", False):
            return bytes(body)


async def until_gone(receive: Receive) -> None:
    """Return when the client has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def start(send: Send, status: int, headers: Iterable[tuple[str, str]]) -> None:
    """Begin an answer."""
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


async def answer(
    send: Send, status: int, body: Any, headers: Iterable[tuple[str, str]] = ()
) -> None:
    """Send an answer, as JSON where there is something to say."""
    data = b"" if body is None else _json.encode(body)
    about = [("content-length", str(len(data)))]
    if body is not None:
        about.append(("content-type", "application/json; charset=utf-8"))
    await start(send, status, [*about, *headers])
    await send({"type": "http.response.body", "body": data})


def preflight(scope: Scope, methods: str) -> list[tuple[str, str]]:
    """Return what a page of another origin is told before it asks."""
    return [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-headers", header(scope, b"access-control-request-headers")),
        ("access-control-allow-methods", methods),
        ("access-control-max-age", "3600"),
    ]
