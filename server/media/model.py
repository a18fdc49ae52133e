"""What a card is and what is said of it while it is made."""

from datetime import timedelta
from typing import Literal, TypeAlias
from uuid import UUID

from msgspec import Struct

# The recipe by which cards are drawn now; another recipe makes other rows beside these.
PROFILE = "card-720-v1"

State: TypeAlias = Literal["waiting", "poster", "encoding", "ready", "failed"]

# An attempt that says nothing for so long is taken to be dead, and another may begin.
SILENCE = timedelta(seconds=45)
MOST_ATTEMPTS = 3
# A poster's first job has so long before a sweep makes another: queued is not lost.
PATIENCE = timedelta(seconds=40)


class Card(Struct, frozen=True, kw_only=True):
    """How far the card of an item is; ready without a video key, the original is the video."""

    item_id: UUID
    state: State
    poster_key: str | None = None
    video_key: str | None = None
    duration_sec: float | None = None

    @property
    def picture_key(self) -> str | None:
        """The poster's picture without its words; it is stored before the poster is told of."""
        return None if self.poster_key is None else picture_of(self.poster_key)


def picture_of(poster_key: str) -> str:
    """Name the picture without words that lies beside a poster."""
    stem, dot, suffix = poster_key.rpartition(".")
    return f"{stem}-art{dot}{suffix}"


class Poster(Struct, frozen=True, kw_only=True):
    """A poster that was stored, and what it was made from."""

    item_id: UUID
    input_digest: str
    key: str
    # Nothing is rendered for an item that brought its own video.
    original: bool = False


class Attempt(Struct, frozen=True):
    """The right to write the result of a rendering, until it is taken over by another."""

    item_id: UUID
    token: UUID
    number: int


class Video(Struct, frozen=True, kw_only=True):
    """An MP4 that was stored."""

    key: str
    mime: str
    width: int
    height: int
    bytes: int
    duration_sec: float
