"""The boxes of an MP4 file, as far as asking needs whether it plays before it is all there."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_HEAD = struct.Struct(">I4s")
_LARGE = struct.Struct(">Q")
# A film has four or five boxes; a file that has more is no film of ours.
_MOST = 32


def starts_at_once(path: Path) -> bool:
    """Say whether the table of contents (moov) comes before the pictures (mdat)."""
    with path.open("rb") as file:
        names = list(_boxes(file))
    return b"moov" in names and b"mdat" in names and names.index(b"moov") < names.index(b"mdat")


def _boxes(file: BinaryIO) -> Iterator[bytes]:
    """Name the outermost boxes in their order (ISO/IEC 14496-12, 4.2)."""
    for _ in range(_MOST):
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return
        size, name = _HEAD.unpack(head)
        yield name
        inside = _HEAD.size
        if size == 1:
            (size,) = _LARGE.unpack(file.read(_LARGE.size).ljust(_LARGE.size, b"\0"))
            inside += _LARGE.size
        if size < inside:
            return
        file.seek(size - inside, 1)
