"""What goes in to the process that develops a picture and what comes out, a JSON line each."""

from typing import TypeAlias

from msgspec import Struct


class Order(Struct, frozen=True):
    """Develop the picture in this file, in the folder that the process was started in."""

    name: str
    # As its type has it: what is in the file must be of that type.
    suffix: str


class Print(Struct, frozen=True):
    """One file that was made."""

    name: str
    width: int
    height: int


class Progress(Struct, frozen=True, tag="progress"):
    """So much of it is done, from 0 to 1."""

    done: float


class Developed(Struct, frozen=True, tag="developed", kw_only=True):
    """The picture upright, in its sizes, and what was wanted of what its file said."""

    width: int
    height: int
    plain: Print
    sizes: list[Print]
    placeholder: str
    taken_at: str | None = None
    film: Print | None = None
    duration_sec: float | None = None


class Refused(Struct, frozen=True, tag="refused"):
    """It cannot be shown; the reason is a sentence for whoever uploaded it."""

    reason: str


Report: TypeAlias = Progress | Developed | Refused
