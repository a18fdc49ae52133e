"""Bodies within their bounds: as sent, and as unpacked."""

import zlib
from collections.abc import AsyncIterator

MAX_BYTES = 15 * 1024 * 1024
# A body that unpacks to this many times what came over the wire was made to do so.
MAX_RATIO = 200
RATIO_FROM_BYTES = 1024 * 1024
_STEP = 256 * 1024
_GZIP = b"\x1f\x8b"
_EITHER, _RAW = 47, -15


class TooLarge(Exception):
    """The body passes its bound."""


class NotUnpacked(Exception):
    """The body is packed in a way that was not asked for, or is broken."""


class Unpacker:
    """Unpacks what was sent, never more at a time than is looked at."""

    def __init__(self, encoding: str, most: int = MAX_BYTES) -> None:
        """Take the Content-Encoding.

        Raises:
            NotUnpacked: it is none that was asked for; one within another is never.

        """
        packed = encoding.strip().lower()
        if packed not in {"", "identity", "gzip", "x-gzip", "deflate"}:
            raise NotUnpacked(f"it is packed as {packed[:40]!r}, which was not asked for")
        self._most = most
        self._packed = packed not in {"", "identity"}
        self._deflate = packed == "deflate"
        self._inflate = zlib.decompressobj(_EITHER)
        self._sent = 0
        self.body = bytearray()

    def feed(self, piece: bytes) -> None:
        """Take a piece as it was sent.

        Raises:
            TooLarge: the body passes its bound.
            NotUnpacked: it is broken.

        """
        self._sent += len(piece)
        if not self._packed:
            self.body += piece
            self._look()
            return
        try:
            self._unpack(piece)
        except zlib.error as error:
            raise NotUnpacked("it is packed in a way that cannot be read") from error

    def finish(self) -> bytes:
        """Give the whole body.

        Raises:
            NotUnpacked: its end is missing.

        """
        if self._packed and self._sent and not self._inflate.eof:
            raise NotUnpacked("it is packed, and its end is missing")
        return bytes(self.body)

    def _unpack(self, piece: bytes) -> None:
        waiting = piece
        while waiting and not self._inflate.eof:
            try:
                self.body += self._inflate.decompress(waiting, _STEP)
            except zlib.error:
                if not self._deflate or self.body:
                    raise
                # Some send deflate without its head, as early browsers wanted it.
                self._deflate, self._inflate = False, zlib.decompressobj(_RAW)
                continue
            self._look()
            waiting = self._inflate.unconsumed_tail

    def _look(self) -> None:
        swollen = len(self.body) > RATIO_FROM_BYTES and len(self.body) > self._sent * MAX_RATIO
        if len(self.body) > self._most or swollen:
            raise TooLarge


async def read(
    pieces: AsyncIterator[bytes], *, encoding: str, declared: str, most: int = MAX_BYTES
) -> bytes:
    """Read a body that stays within its bounds.

    Raises:
        TooLarge: it does not.
        NotUnpacked: it is packed in a way that was not asked for, or is broken.

    """
    if declared.isdigit() and int(declared[:15]) > most:
        raise TooLarge
    unpacker = Unpacker(encoding, most)
    async for piece in pieces:
        unpacker.feed(piece)
    return unpacker.finish()


def opened(content: bytes, most: int = MAX_BYTES) -> bytes:
    """Give the inside of a file that is packed with gzip, and any other as it is.

    Raises:
        TooLarge: there is too much in it.
        NotUnpacked: it is broken.

    """
    if not content.startswith(_GZIP):
        return content
    unpacker = Unpacker("gzip", most)
    unpacker.feed(content)
    return unpacker.finish()
