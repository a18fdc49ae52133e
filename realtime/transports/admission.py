"""Who asks to connect, whichever transport the request came by, and whether they may."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from realtime.handshake import origin_allowed, params
from realtime.node import Node
from realtime.serializer import Serializer, negotiate
from realtime.socket import ConnectInfo, Socket

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_KEPT_HEADERS = frozenset({b"user-agent", b"origin", b"traceparent", b"tracestate"})


async def admit(
    node: Node, scope: Scope, token: str | None, *, transport: str
) -> tuple[Socket, Serializer]:
    """Let a client in by its origin, its version and the app's word; raises ConnectRefused."""
    if not origin_fits(node, scope):
        raise node.refused("origin")
    info = connect_info(node, scope, token, transport)
    serializer = negotiate(info.params.get("vsn", "1.0.0"))
    if serializer is None:
        raise node.refused("vsn")
    return await node.admit(info), serializer


def origin_fits(node: Node, scope: Scope) -> bool:
    """Say whether the page that asks is one of those that may."""
    page = _find(scope, b"origin")
    return page is None or origin_allowed(
        page,
        node.check_origin,
        scheme=scope["scheme"],
        host=header(scope, b"host"),
    )


def connect_info(node: Node, scope: Scope, token: str | None, transport: str) -> ConnectInfo:
    """Collect what is known of a client."""
    kept = {
        raw.decode("latin-1").lower(): value.decode("latin-1")
        for raw, value in scope["headers"]
        if raw[:2].lower() == b"x-" or raw.lower() in _KEPT_HEADERS
    }
    try:
        read = params(scope["query_string"])
    except ValueError:  # more fields than anyone means
        read = {"vsn": None}
    client = scope.get("client")
    host = header(scope, b"host")
    return ConnectInfo(
        params={**read, **scope.get("path_params", {})},
        auth_token=token,
        peer=client[0] if client else None,
        port=client[1] if client else None,
        headers=kept,
        uri=f"{scope['scheme']}://{host}{scope['path']}",
        # A foreign page brings the reader's cookies along: only who looks at origins may use them.
        session=scope.get("session") if node.check_origin is not False else None,
        transport=transport,
    )


def header(scope: Scope, name: bytes) -> str:
    """Return the first header of that name, or nothing."""
    return _find(scope, name) or ""


def _find(scope: Scope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key.lower() == name:
            found: str = value.decode("latin-1")
            return found
    return None


def headers(scope: Scope, name: bytes) -> list[bytes]:
    """Return all headers of that name."""
    return [value for key, value in scope["headers"] if key.lower() == name]
