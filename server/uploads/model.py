"""What can be uploaded, under which name, and what its first bytes must be."""

from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from server.kernel.problems import Malformed

MOST_BYTES = 10 * 1024 * 1024
LIFETIME = timedelta(minutes=15)
# As much as tells one kind of picture from another.
HEAD_BYTES = 16

Mime = Literal["image/jpeg", "image/png", "image/webp"]
SUFFIXES: dict[Mime, str] = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}


class NotYours(Malformed):
    """The upload is not there, is no picture, or is somebody else's."""


class SignUpload(Struct, frozen=True):
    """How large a picture is, and of which type: the link takes exactly that."""

    size: Annotated[int, Meta(ge=1, le=MOST_BYTES)]
    mime: Mime


class Signed(Struct, frozen=True):
    """Where to PUT the bytes until when, and the key by which a post then names them."""

    key: str
    upload_url: str
    expires_at: datetime


def key_of(owner_id: UUID, upload_id: UUID, mime: Mime) -> str:
    """Name an upload; whose it is can be read from its name, which only we give."""
    return f"uploads/{owner_id.hex}/{upload_id.hex}{SUFFIXES[mime]}"


def is_of(key: str, owner_id: UUID) -> bool:
    """Say whether a key names an upload of a person."""
    folder, _, name = key.rpartition("/")
    stem, dot, suffix = name.partition(".")
    in_form = len(stem) == len(owner_id.hex) and stem.isalnum() and stem.isascii()
    return folder == f"uploads/{owner_id.hex}" and in_form and dot + suffix in SUFFIXES.values()


def looks_like(suffix: str, head: bytes) -> bool:
    """Say whether a file begins as a picture of its type does."""
    if suffix == ".jpg":
        return head.startswith(b"\xff\xd8\xff")
    if suffix == ".png":
        return head.startswith(b"\x89PNG\r\n\x1a\n")
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"
