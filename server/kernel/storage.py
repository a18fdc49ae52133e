"""Where media bytes lie: a port with two adapters, and links that are signed and end."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Protocol

# A key's suffix says what it is, so that a file served from disk and an object in a bucket have
# the same type.
MIMES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".avif": "image/avif",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".ogg": "audio/ogg",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".vtt": "text/vtt",
    ".json": "application/json",
    # What is not whole yet.
    ".bin": "application/octet-stream",
}
# A link is good until the end of the day after the one on which it was asked for, so that it is
# the same text all day and good for a day at least.
LINK_DAYS = 2
LONGEST_KEY = 200
# Each part of an object that comes in parts has so many bytes, the last one what is left; S3 takes
# no smaller ones.
PART_BYTES = 8 * 1024 * 1024

_KEY = re.compile(r"[a-z0-9][a-z0-9_.-]*(/[a-z0-9][a-z0-9_.-]*)*")


class Storage(Protocol):
    """Keeps objects by key; keys are made of `a-z0-9/-._`, end in one of `MIMES`, and are ours."""

    async def put_file(self, key: str, path: Path, *, mime: str) -> None:
        """Store a file under a key, whole or not at all."""
        ...

    async def put(self, key: str, content: bytes, *, mime: str) -> None:
        """Store bytes under a key, whole or not at all."""
        ...

    async def get(self, key: str) -> bytes:
        """Read an object; `KeyError` when there is none."""
        ...

    async def fetch(self, key: str, path: Path) -> None:
        """Copy an object into a file, however large it is; `KeyError` when there is none."""
        ...

    async def beginning(self, key: str, count: int) -> bytes:
        """Read the first bytes of an object; `KeyError` when there is none."""
        ...

    async def exists(self, key: str) -> bool:
        """Say whether there is such an object."""
        ...

    async def delete(self, key: str) -> None:
        """Remove an object; nothing happens when there is none."""
        ...

    async def begin_parts(self, key: str, *, mime: str) -> str:
        """Begin an object that comes in parts; gives the name by which they find together."""
        ...

    async def put_part(self, key: str, name: str, number: int, content: bytes) -> str:
        """Store a part, from 1 on; the same may be stored again under its number. Gives its tag.

        Raises:
            KeyError: nothing of that name is begun, or it was joined or dropped.

        """
        ...

    async def join_parts(self, key: str, name: str, tags: Sequence[str]) -> None:
        """Make an object of its parts, whole or not at all. Refused as `put_part` is."""
        ...

    async def drop_parts(self, key: str, name: str) -> None:
        """Forget the parts of an object; nothing happens when there are none."""
        ...

    def url(self, key: str) -> str:
        """Give a link that reads the object, the same all day so that caches work."""
        ...

    def upload_url(
        self, key: str, *, mime: str, size: int, lifetime: timedelta, sha256: bytes | None = None
    ) -> str:
        """Give a link that takes exactly this many bytes of this type by PUT, or just these."""
        ...

    def upload_headers(self, mime: str, sha256: bytes | None) -> dict[str, str]:
        """Give the headers that such a PUT must have besides its length."""
        ...


class BadKey(ValueError):
    """The key is not one of ours."""


def checked(key: str, mime: str | None = None) -> str:
    """Give the key back if it is one, and of that type.

    Raises:
        BadKey: it has other characters, a hidden part, no known suffix, or is too long.

    """
    if len(key) > LONGEST_KEY or _KEY.fullmatch(key) is None:
        raise BadKey(f"{key[:60]!r} is not a storage key.")
    if mime_of(key) != (mime or mime_of(key)):
        raise BadKey(f"The key {key!r} is of {mime_of(key)}, not of {mime}.")
    return key


def mime_of(key: str) -> str:
    """Tell the type of an object from its key.

    Raises:
        BadKey: the key ends in no suffix that is known.

    """
    suffix = PurePosixPath(key).suffix
    if suffix not in MIMES:
        raise BadKey(f"{key[:60]!r} does not end in one of {', '.join(MIMES)}.")
    return MIMES[suffix]


def day_of(moment: datetime) -> datetime:
    """Give the midnight (UTC) from which the links of that day count."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
