"""Reads a client's websocket frames (RFC 6455), without I/O and without a task."""

from collections.abc import Callable
from typing import Final

from realtime.close import NOT_UTF8, PROTOCOL, TOO_BIG, Close

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
_FINAL, _RESERVED, _MASKED = 0x80, 0x70, 0x80
_SHORT, _TWO_MORE = 125, 126
_SHORTEST, _MASK_BYTES = 2, 4

Unmask = Callable[[bytes, bytes], bytes]
Incoming = tuple[int, bytes]  # what it is, and what is in it; a message is whole


class Broken(Exception):
    """The client breaks the protocol, and is to be closed so."""

    def __init__(self, close: Close) -> None:
        super().__init__(close.reason)
        self.close = close


class FrameReader:
    """Takes bytes as they come and gives messages and control frames, whole and unmasked."""

    __slots__ = ("_fragments", "_limit", "_opcode", "_rest", "_size", "_unmask")

    def __init__(self, limit: int, unmask: Unmask) -> None:
        self._limit = limit
        self._unmask = unmask
        self._rest = b""
        self._fragments: list[bytes] = []
        self._opcode = CONTINUATION  # of the message whose fragments are here
        self._size = 0

    def is_between(self) -> bool:
        """Say whether nothing is half read."""
        return not self._rest and self._opcode == CONTINUATION

    def feed(self, data: bytes, take: Callable[[int, bytes], None]) -> None:
        """Hand what is complete to `take`; raises Broken, after what came before the breach."""
        if self._rest:
            data = self._rest + data
        place, end = 0, len(data)
        while end - place >= _SHORTEST:
            first, size = data[place], data[place + 1] & 0x7F
            if first & _RESERVED or not data[place + 1] & _MASKED:
                raise Broken(PROTOCOL)
            head = place + 2
            if size > _SHORT:
                extra = 2 if size == _TWO_MORE else 8
                head += extra  # it may not be there yet: then the body is not either
                size = int.from_bytes(data[head - extra : head], "big")
            self._check(first, size)
            body = head + _MASK_BYTES
            if end < body + size:
                break
            payload = self._unmask(data[body : body + size], data[head:body])
            place = body + size
            if first == _FINAL | TEXT and not self._opcode:
                take(TEXT, payload)
            else:
                self._complete(first, payload, take)
        self._rest = data[place:]

    def _check(self, first: int, size: int) -> None:
        """Refuse by its head what would only fill memory."""
        if first & CLOSE:
            if size > _SHORT or not first & _FINAL:
                raise Broken(PROTOCOL)
        elif size + self._size > self._limit:
            raise Broken(TOO_BIG)

    def _complete(self, first: int, payload: bytes, take: Callable[[int, bytes], None]) -> None:
        opcode = first & 0x0F
        if opcode in (CLOSE, PING, PONG):
            take(opcode, payload)
            return
        if opcode not in (CONTINUATION, TEXT, BINARY) or (opcode == CONTINUATION) != bool(
            self._opcode
        ):
            raise Broken(PROTOCOL)
        if first & _FINAL and not self._opcode:
            take(opcode, payload)
            return
        self._opcode = self._opcode or opcode
        self._fragments.append(payload)
        self._size += len(payload)
        if first & _FINAL:
            whole, opcode = b"".join(self._fragments), self._opcode
            self._fragments, self._opcode, self._size = [], CONTINUATION, 0
            take(opcode, whole)


def read_text(payload: bytes) -> str:
    """Return what a text message says; raises Broken where it is no UTF-8."""
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise Broken(NOT_UTF8) from error


def read_close(payload: bytes) -> Close:
    """Return what a close frame says; raises Broken for one that says nothing sensible."""
    if not payload:
        return Close(1005, "")
    code = int.from_bytes(payload[:2], "big")
    named = 1000 <= code <= 1014 and code not in (1004, 1005, 1006)  # noqa: PLR2004 - RFC 6455 7.4
    if len(payload) == 1 or not (named or 3000 <= code <= 4999):  # noqa: PLR2004
        raise Broken(PROTOCOL)
    return Close(code, read_text(payload[2:]))


def control(opcode: int, payload: bytes) -> bytes:
    """Return a control frame of a server."""
    return bytes((_FINAL | opcode, len(payload))) + payload


def close_frame(close: Close) -> bytes:
    """Return the close frame of a server."""
    if close.code == 1005:  # noqa: PLR2004 - means that there was no code, and is never sent
        return control(CLOSE, b"")
    return control(CLOSE, close.code.to_bytes(2, "big") + close.reason.encode()[: _SHORT - 2])
