"""The request that opens a websocket, as RFC 6455 section 4.2 has it, and the answer to it."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_LENGTH: Final = 24  # sixteen bytes in base64
_MOST_BYTES: Final = 16_384
_MOST_HEADERS: Final = 100
_ONCE: Final = frozenset({b"host", b"upgrade", b"sec-websocket-key", b"sec-websocket-version"})
_HAS_BODY: Final = frozenset({b"content-length", b"transfer-encoding"})

# A token, and what is visible (RFC 9110 sections 5.1 and 5.5); lines are not folded.
_FIELD: Final = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*"
).fullmatch
_TARGET: Final = re.compile(rb"/[!-~]*").fullmatch  # no host before it, and nothing invisible

Headers = list[tuple[bytes, bytes]]


class Upgrade(Struct, frozen=True):
    """A request that is what it should be."""

    target: bytes
    headers: Headers  # names in lower case
    key: bytes
    subprotocols: list[str]


def read_upgrade(data: bytes) -> Upgrade | None:
    """Read a request as it came; None for one that is not the usual kind.

    What is wrong with that one, and what to answer, is left to those who know all the kinds.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    first = lines[0].split(b" ")
    if not end or rest or len(data) > _MOST_BYTES or len(lines) > _MOST_HEADERS:
        return None
    if len(first) != 3 or first[0] != b"GET" or first[2] != b"HTTP/1.1" or not _TARGET(first[1]):  # noqa: PLR2004
        return None
    headers: Headers = []
    named: dict[bytes, bytes] = {}
    subprotocols: list[str] = []
    for line in lines[1:]:
        found = _FIELD(line)
        if found is None:
            return None
        name, value = found.groups()
        name = name.lower()
        if name in _HAS_BODY or (name in named and name in _ONCE):
            return None
        if name == b"sec-websocket-protocol":
            subprotocols += [word.strip() for word in value.decode("latin-1").split(",")]
        named[name] = value if name != b"connection" else named.get(name, b"") + b"," + value
        headers.append((name, value))
    return _checked(first[1], headers, named, subprotocols)


def _checked(
    target: bytes, headers: Headers, named: dict[bytes, bytes], subprotocols: list[str]
) -> Upgrade | None:
    key = named.get(b"sec-websocket-key", b"")
    if named.get(b"upgrade", b"").lower() != b"websocket" or not named.get(b"host"):
        return None
    if named.get(b"sec-websocket-version") != b"13" or not _is_key(key):
        return None
    if b"upgrade" not in [
        word.strip() for word in named.get(b"connection", b"").lower().split(b",")
    ]:
        return None
    return Upgrade(target, headers, key, subprotocols)


def _is_key(key: bytes) -> bool:
    return (
        len(key) == _KEY_LENGTH
        and key.endswith(b"==")
        and key[:-2].replace(b"+", b"a").replace(b"/", b"a").isalnum()
    )


def switching(key: bytes, headers: Iterable[tuple[bytes, bytes]], subprotocol: str | None) -> bytes:
    """Return the answer that makes a websocket of the connection."""
    accept = b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    lines = [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept,
        *(name + b": " + value for name, value in headers),
    ]
    if subprotocol:
        lines.append(b"Sec-WebSocket-Protocol: " + subprotocol.encode("latin-1"))
    return b"\r\n".join([*lines, b"", b""])
