"""What can be uploaded, under which name, how far it is, and what its first bytes must be."""

from datetime import datetime, timedelta
from typing import Annotated, Literal, TypeAlias, get_args
from uuid import UUID

from msgspec import Meta, Struct

from server.kernel.problems import Conflict, Malformed, NotAllowed

MEGABYTE = 1024 * 1024
LIFETIME = timedelta(minutes=15)
# Of an upload in pieces, from the last piece on.
PATIENCE = timedelta(hours=24)
# So long what was uploaded waits for the post that shows it.
UNUSED = timedelta(hours=24)
# An attempt that says nothing for so long is taken to be dead, and another may begin.
SILENCE = timedelta(seconds=90)
MOST_ATTEMPTS = 3
# As much as tells one type from another.
HEAD_BYTES = 32
# The recipe by which pictures are made now; another one makes other rows beside these.
PROFILE = "picture-v1"

Kind: TypeAlias = Literal["picture", "film", "sound"]
Mime: TypeAlias = Literal[
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/gif",
    "image/avif",
    "image/heic",
    "image/heif",
    "video/mp4",
    "video/quicktime",
    "video/webm",
    "audio/mpeg",
    "audio/mp4",
    "audio/ogg",
    "audio/wav",
    "audio/flac",
]
State: TypeAlias = Literal["signed", "arrived", "checked", "refused", "purged"]

SUFFIXES: dict[str, str] = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/avif": ".avif",
    "image/heic": ".heic",
    "image/heif": ".heif",
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/ogg": ".ogg",
    "audio/wav": ".wav",
    "audio/flac": ".flac",
}
MOST_BYTES: dict[Kind, int] = {
    "picture": 25 * MEGABYTE,
    "film": 2048 * MEGABYTE,
    "sound": 512 * MEGABYTE,
}
LARGEST = max(MOST_BYTES.values())


class NotYours(Malformed):
    """The upload is not there, is no picture, or is somebody else's."""


class QuotaExceeded(NotAllowed):
    """There is no room left for what this person may keep here."""


class StillWorking(Conflict):
    """What was uploaded is still being looked at; ask again in a moment."""


class SignUpload(Struct, frozen=True):
    """How large a file is, and of which type: the link takes exactly that."""

    size: Annotated[int, Meta(ge=1, le=LARGEST)]
    mime: Mime
    # The SHA-256 of the bytes, in hexadecimal; with it nothing else is taken.
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None


class Signed(Struct, frozen=True):
    """Where to PUT the bytes until when, and the key by which a post then names them."""

    id: UUID
    key: str
    upload_url: str
    # What the PUT has to say in its head.
    headers: dict[str, str]
    expires_at: datetime


class Pieces(Struct, frozen=True):
    """Where the bytes lie of an upload that comes in pieces."""

    # By which the storage finds the parts together, and the tag of each.
    name: str
    tags: list[str] = []
    # How many bytes lie beside them: too few for a part of their own.
    tail: int = 0


class Upload(Struct, frozen=True, kw_only=True):
    """An upload as it stands."""

    id: UUID
    owner_id: UUID
    key: str
    mime: str
    size: int
    state: State
    # As it was announced, and as it was found.
    sha256: bytes | None = None
    digest: bytes | None = None
    error: str | None = None
    attempt: UUID | None = None
    attempts: int = 0
    # Whether the bytes as they were uploaded may still be in the storage.
    kept: bool = True
    # Of one that comes in pieces: how many bytes are there, and where they lie.
    received: int = 0
    pieces: Pieces | None = None
    created_at: datetime
    changed_at: datetime
    expires_at: datetime
    attached_at: datetime | None = None

    @property
    def kind(self) -> Kind:
        """What it is, as far as its type says."""
        return kind_of(self.mime)


class Size(Struct, frozen=True):
    """One size of a picture as it is kept, by what is in it."""

    key: str
    width: int
    height: int
    size: int


class Pictured(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was made of a picture: none of it says where it was taken."""

    width: int
    height: int
    # A JPEG for whatever cannot show the sizes.
    plain: Size
    # WebP, the smallest first.
    sizes: list[Size]
    # A ThumbHash (base64): some bytes to paint until the picture is there.
    placeholder: str
    # As the camera's clock had it; without an offset nobody knows in which zone.
    taken_at: str | None = None
    # An animation, as MP4.
    film: Size | None = None
    duration_sec: float | None = None

    def keys_kept(self) -> list[str]:
        """Name everything that is kept of it."""
        kept = [self.plain, *self.sizes] + ([self.film] if self.film else [])
        return [each.key for each in kept]


class UploadShown(Struct, frozen=True, omit_defaults=True):
    """An upload as its owner sees it."""

    id: UUID
    key: str
    mime: str
    size: int
    state: Literal["signed", "arrived", "checked", "refused", "attached", "purged"]
    error: str | None = None
    width: int | None = None
    height: int | None = None
    taken_at: str | None = None
    placeholder: str | None = None
    preview_url: str | None = None


class MediaPush(Struct, frozen=True, omit_defaults=True):
    """How far the work on an upload is."""

    id: UUID
    key: str
    state: Literal["arrived", "working", "checked", "refused", "failed", "cancelled"]
    progress: float
    error: str | None = None
    # In how many seconds it is likely to be done.
    eta_seconds: float | None = None


def kind_of(mime: str) -> Kind:
    """Tell of which kind a type is."""
    return (
        "picture" if mime.startswith("image/") else "film" if mime.startswith("video/") else "sound"
    )


def key_of(owner_id: UUID, upload_id: UUID, mime: str) -> str:
    """Name an upload; whose it is can be read from its name, which only we give."""
    return f"uploads/{owner_id.hex}/{upload_id.hex}{SUFFIXES[mime]}"


def tail_of(key: str) -> str:
    """Name what has arrived of an upload and makes no part yet."""
    return f"{key.partition('.')[0]}-tail.bin"


def id_of(key: str) -> UUID | None:
    """Read from a key which upload it names; None when it names none."""
    folder, _, name = key.rpartition("/")
    stem, dot, suffix = name.partition(".")
    top, _, owner = folder.partition("/")
    try:
        named = top == "uploads" and UUID(owner).hex == owner and UUID(stem).hex == stem
    except ValueError:
        return None
    return UUID(stem) if named and dot + suffix in SUFFIXES.values() else None


def looks_like(suffix: str, head: bytes) -> bool:
    """Say whether a file begins as one of its type does."""
    if suffix in _BRANDS:
        # The brand, or the first of those that it is compatible with.
        return head[4:8] == b"ftyp" and bool({head[8:12], head[16:20]} & _BRANDS[suffix])
    if suffix == ".webp":
        return head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return head.startswith(_BEGINNINGS.get(suffix, b"\0no such"))


_BEGINNINGS: dict[str, bytes | tuple[bytes, ...]] = {
    ".jpg": b"\xff\xd8\xff",
    ".png": b"\x89PNG\r\n\x1a\n",
    ".gif": (b"GIF87a", b"GIF89a"),
}
_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"heif"}
_BRANDS = {".avif": {b"avif", b"avis", b"mif1"}, ".heic": _HEIF, ".heif": _HEIF}

if set(get_args(Mime)) != set(SUFFIXES):
    raise AssertionError("Every type has a suffix, and every suffix a type.")
