"""What a connecting client says: its query string, its token, its origin."""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qsl, urlsplit

_BEARER = "base64url.bearer.phx."
_SUBPROTOCOL = "phoenix"
_MAX_PARAMS = 500
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

_PLAIN = re.compile(rb"[!$'()*,./0-9:;=?@A-Z^_`a-z|~&-]*").fullmatch  # nothing is written otherwise

CheckOrigin: TypeAlias = bool | Literal["conn"] | Sequence[str] | Callable[[str], bool]


def params(query: bytes) -> dict[str, Any]:
    """Read a query string as Plug does: brackets nest, empty pieces say nothing, the last wins.

    phoenix.js writes `nested[a]=1`, `arr[0]=1` and, for a null, nothing between two `&`.
    """
    read: dict[str, Any] = {}
    if _PLAIN(query) and query.count(b"&") < _MAX_PARAMS:  # as nearly all are
        for piece in query.decode("ascii").split("&"):
            if piece:
                name, _, value = piece.partition("=")
                read[name] = value
        return read
    pairs = parse_qsl(
        query.decode("latin-1"),
        keep_blank_values=True,
        errors="replace",
        max_num_fields=_MAX_PARAMS,
    )
    for name, value in pairs:
        _put(read, _path(name), value)
    return read


def _path(name: str) -> list[str]:
    head, bracket, rest = name.partition("[")
    if not bracket or not rest.endswith("]"):
        return [name]
    return [head, *rest[:-1].split("][")]


def _put(into: dict[str, Any], path: list[str], value: str) -> None:
    *parents, last = path
    if parents and last == "":  # `tags[]=a&tags[]=b`
        *parents, last = parents
        for parent in parents:
            into = _child(into, parent)
        kept = into.get(last)
        into[last] = [*kept, value] if isinstance(kept, list) else [value]
        return
    for parent in parents:
        into = _child(into, parent)
    into[last] = value


def _child(of: dict[str, Any], name: str) -> dict[str, Any]:
    child = of.get(name)
    if not isinstance(child, dict):
        child = of[name] = {}
    return child


def subprotocols(offered: Iterable[str]) -> tuple[str | None, str | None]:
    """Return the bearer token among the offered subprotocols, and the one to answer with.

    Only `phoenix` is ever echoed; a browser breaks off where it offered some and got none.
    """
    names = [name.strip() for name in offered]
    bearers = [name.removeprefix(_BEARER) for name in names if name.startswith(_BEARER)]
    token = _unbase64(bearers[0]) if len(bearers) == 1 else None
    return token, _SUBPROTOCOL if _SUBPROTOCOL in names else None


def _unbase64(text: str) -> str | None:
    """Read either alphabet, with or without padding: btoa() writes the standard one."""
    standard = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        padded = standard + "=" * (-len(standard) % 4)
        return base64.b64decode(padded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def origin_allowed(origin: str | None, policy: CheckOrigin, *, scheme: str, host: str) -> bool:
    """Say whether a page of `origin` may connect to `host`, the Host header."""
    if policy is False or origin is None:
        return True
    if callable(policy):
        return policy(origin)
    try:
        page = urlsplit(origin)
        page_port = page.port or _DEFAULT_PORTS.get(page.scheme)
        here = urlsplit(f"//{host}")
        here_port = here.port or _DEFAULT_PORTS.get(scheme)
    except ValueError:
        return False
    if not page.hostname:
        return False
    if policy is True:
        return page.hostname == here.hostname
    if policy == "conn":
        secure = page.scheme == "https", scheme in ("https", "wss")
        return (page.hostname, page_port) == (here.hostname, here_port) and secure[0] == secure[1]
    # "self" in a list stands for the host that was asked, as in a content security policy.
    if "self" in policy and page.hostname == here.hostname:
        return True
    return any(_fits(page.scheme, page.hostname, page_port, allowed) for allowed in policy)


def _fits(scheme: str, host: str, port: int | None, allowed: str) -> bool:
    wanted = urlsplit(allowed)
    if wanted.scheme and (wanted.scheme != scheme or wanted.port is None):
        port_fits = wanted.scheme == scheme and port == _DEFAULT_PORTS.get(scheme)
    else:
        port_fits = wanted.port is None or wanted.port == port
    pattern = wanted.hostname or ""
    if pattern.startswith("*."):
        return port_fits and (host == pattern[2:] or host.endswith(pattern[1:]))
    return port_fits and host == pattern
