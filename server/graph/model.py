"""How people stand to each other, and lists of them."""

import struct
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from msgspec import Meta, Struct

from server.kernel.problems import Conflict, CursorInvalid, NotAllowed, NotFound
from server.kernel.signing import ForgedError, Signer

Tie: TypeAlias = Literal["follow", "block", "mute"]
Side: TypeAlias = Literal["followers", "following"]

PAGE = 50
MOST_OF_A_PAGE = 100
# Blocks and mutes of one person: each is looked at whenever they are shown something.
MOST_HIDDEN = 10_000

_LAYOUT = struct.Struct("!c16sq16s")
_SIDES: dict[Side, bytes] = {"followers": b"r", "following": b"g"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class NoSuchPerson(NotFound):
    """There is no such person."""


class NotYourself(Conflict):
    """Nobody can follow, block or mute themselves."""


class TooManyPeople(Conflict):
    """The list is full; take somebody off it first."""


class Blocked(NotAllowed):
    """One of the two has blocked the other."""


class ListPrivate(NotAllowed):
    """Only the person whose list it is may see it."""


class GraphCounts(Struct, frozen=True):
    """How many follow a person, and how many that person follows."""

    followers: int
    following: int


class Relation(Struct, frozen=True, kw_only=True):
    """How the viewer stands to a person, and the person's counts."""

    id: UUID
    username: str
    following: bool = False
    followed_by: bool = False
    blocking: bool = False
    muting: bool = False
    counts: GraphCounts


class Person(Struct, frozen=True):
    """Somebody on a list."""

    id: UUID
    username: str
    name: str
    # Whether the viewer follows them too.
    following: bool


class PeoplePage(Struct, frozen=True):
    """A page of people, those first who came last."""

    items: list[Person]
    cursor: str | None
    next_cursor: str | None
    has_more: bool


class PeopleQuery(Struct, frozen=True):
    """Which page of people."""

    cursor: Annotated[str, Meta(max_length=120)] | None = None
    limit: Annotated[int, Meta(ge=1, le=MOST_OF_A_PAGE)] = PAGE


Place: TypeAlias = tuple[datetime, UUID]


def write_cursor(secret: str, side: Side, owner: UUID, last: Place) -> str:
    """Write the position after somebody in a person's list."""
    moment = (last[0] - _EPOCH) // _MICROSECOND
    packed = _LAYOUT.pack(_SIDES[side], owner.bytes, moment, last[1].bytes)
    return Signer(secret, "people").sign(packed)


def read_cursor(secret: str, side: Side, owner: UUID, cursor: str) -> Place:
    """Read the position after which a page begins.

    Raises:
        CursorInvalid: it was not made for this list.

    """
    try:
        which, whose, moment, last = _LAYOUT.unpack(Signer(secret, "people").open(cursor))
    except (ForgedError, struct.error) as error:
        raise CursorInvalid from error
    if which != _SIDES[side] or whose != owner.bytes:
        raise CursorInvalid
    return _EPOCH + moment * _MICROSECOND, UUID(bytes=last)
