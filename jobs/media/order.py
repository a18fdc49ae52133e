"""What goes in to the encoding process and what comes out of it, one JSON line each."""

from typing import TypeAlias

from msgspec import Struct

from jobs.media.model import Bounds, Encoded


class Order(Struct, frozen=True):
    """Encode the file of this name into a folder of that, both where the process was started."""

    source: str
    folder: str
    bounds: Bounds
    # For a small file the limits are small as well.
    cpu_seconds: int
    most_bytes: int


class Progress(Struct, frozen=True, tag="progress"):
    """So much of it is done, from 0 to 1."""

    done: float


class Made(Struct, frozen=True, tag="made"):
    """Everything is there."""

    encoded: Encoded


class Declined(Struct, frozen=True, tag="declined"):
    """The file is not one that we encode, and will not be one next time."""

    reason: str


Report: TypeAlias = Progress | Made | Declined
