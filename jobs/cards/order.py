"""What goes in to the rendering process and what comes out of it, one JSON line each."""

from typing import TypeAlias

from msgspec import Struct

from jobs.cards.model import CardText


class Order(Struct, frozen=True):
    """Render this card into a file of this name, in the folder that the process was started in."""

    card: CardText
    name: str


class Progress(Struct, frozen=True, tag="progress"):
    """So much of it is done, from 0 to 1."""

    done: float


class Made(Struct, frozen=True, tag="made"):
    """The film is there; this is what was found in it when it was played."""

    frames: int
    width: int
    height: int
    duration_sec: float
    bytes: int


Report: TypeAlias = Progress | Made
