"""What was made of a film or a sound that somebody brought, and how far that is."""

from datetime import datetime, timedelta
from typing import Literal, TypeAlias
from uuid import UUID

from msgspec import Struct

# The recipe by which films are encoded now; another makes other objects beside these.
RECIPE = "ladder-v1"

EncodingState: TypeAlias = Literal["waiting", "encoding", "ready", "failed", "refused", "cancelled"]

# An attempt that says nothing for so long is taken to be dead, and another may begin.
QUIET = timedelta(seconds=40)
MOST_TRIES = 3
# A film that is likely to last longer than this does not take the last lane of a worker.
LONG_SECONDS = 600.0
# Each second of waiting counts as so many seconds that the film were shorter.
AGEING = 2.0
# What a second of film takes, until more is known than the size of the file.
BYTES_EACH_SECOND = 500_000


class Size(Struct, frozen=True):
    """One size of a film; its parts are what the playlist names."""

    name: int
    width: int
    height: int
    bytes: int
    codecs: str
    key: str
    parts_key: str
    playlist: str


class Spoken(Struct, frozen=True):
    """Captions in one language."""

    language: str
    key: str


class MadeOf(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that was made of one file; keys are names in the storage."""

    kind: Literal["video", "audio"]
    seconds: float
    width: int = 0
    height: int = 0
    sizes: list[Size] = []
    # The playlists by their names, as they are in the folder of the encoder.
    playlists: dict[str, str] = {}
    sound_key: str | None = None
    poster_key: str | None = None
    small_poster_key: str | None = None
    storyboard_key: str | None = None
    storyboard_index_key: str | None = None
    waveform_key: str | None = None
    captions: list[Spoken] = []


class Encoding(Struct, frozen=True, kw_only=True):
    """The encoding of one upload as it stands."""

    id: UUID
    owner_id: UUID
    key: str
    state: EncodingState
    cost_sec: float
    progress: float = 0.0
    eta_seconds: float | None = None
    attempt: UUID | None = None
    attempts: int = 0
    digest: bytes | None = None
    error: str | None = None
    result: MadeOf | None = None
    created_at: datetime
    changed_at: datetime


class Try(Struct, frozen=True):
    """The right to write the result of an encoding, until it is taken over by another."""

    id: UUID
    token: UUID
    number: int
    owner_id: UUID
    key: str
    cost_sec: float
