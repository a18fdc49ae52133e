"""What one look at one thing came to."""

from enum import Enum

from msgspec import Struct


class Level(Enum):
    """How much it matters."""

    FINE = "fine"
    MIND = "mind"  # it works, but somebody should know
    WRONG = "WRONG"


class Finding(Struct, frozen=True):
    """One thing looked at: how it is and, where it is not well, what to do."""

    level: Level
    what: str
    advice: str = ""


def fine(what: str) -> Finding:
    """Nothing to do."""
    return Finding(Level.FINE, what)


def mind(what: str, advice: str) -> Finding:
    """It works; here is what could be better."""
    return Finding(Level.MIND, what, advice)


def wrong(what: str, advice: str) -> Finding:
    """It does not work; here is what to do."""
    return Finding(Level.WRONG, what, advice)
