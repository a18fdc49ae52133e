"""Counters, edges, and when an item's counters may move again."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from msgspec import Struct

from server.kernel.problems import Conflict, NotFound

# What a viewer does to an item at most once; the edge is the row that says so.
Edge: TypeAlias = Literal["like", "bookmark", "repost"]
Field: TypeAlias = Literal["likes", "comments", "reposts", "quotes", "bookmarks"]

# In the order of their numbers in the table of deltas.
FIELDS: tuple[Field, ...] = ("likes", "comments", "reposts", "quotes", "bookmarks")

# A poll has so many options at most; their votes are counted behind the fields.
MOST_OPTIONS = 4


class NoSuchItem(NotFound):
    """There is no such item, or it is gone."""


class Counts(Struct, frozen=True):
    """The counters of an item; a greater version is newer."""

    likes: int = 0
    comments: int = 0
    reposts: int = 0
    quotes: int = 0
    bookmarks: int = 0
    views_approx: int = 0
    version: int = 0


class ItemCounts(Struct, frozen=True):
    """The counters of one item as a `counters` frame carries them."""

    id: UUID
    version: int
    likes: int = 0
    comments: int = 0
    reposts: int = 0
    quotes: int = 0
    bookmarks: int = 0


class Flags(Struct, frozen=True):
    """Which of some items a viewer likes, has bookmarked, has reposted."""

    liked: frozenset[UUID] = frozenset()
    bookmarked: frozenset[UUID] = frozenset()
    reposted: frozenset[UUID] = frozenset()


class Standing(Struct, frozen=True):
    """An item after a viewer did something to it: what they did already counts."""

    id: UUID
    counts: Counts
    liked_by_me: bool
    bookmarked_by_me: bool
    reposted_by_me: bool


class Done(Struct, frozen=True):
    """Something that somebody did to an item, and when."""

    item_id: UUID
    user_id: UUID
    at: datetime


class Votes(Struct, frozen=True):
    """The votes of a poll, option by option; of a greater version they are newer."""

    id: UUID
    votes: tuple[int, ...]
    version: int = 0


class Ballot(Struct, frozen=True):
    """A poll after somebody voted: their own vote already counts."""

    votes: Votes
    option: int


class AlreadyVoted(Conflict):
    """A vote in a poll is final."""


class Moved(Struct, frozen=True):
    """What one fold moved."""

    items: list[ItemCounts]
    polls: list[Votes]


class Pace:
    """Lets an item's counters move at once, and then once in `rest` seconds."""

    def __init__(self, rest: float) -> None:
        self._rest = rest
        # Every item rests equally long, so the first in is the first out.
        self._until: dict[UUID, float] = {}

    def cooling(self, now: float) -> Collection[UUID]:
        """Give the items that must not move yet."""
        for item_id, until in list(self._until.items()):
            if until > now:
                break
            del self._until[item_id]
        return self._until.keys()

    def moved(self, ids: Sequence[UUID], now: float) -> None:
        """Note that items have just moved."""
        for item_id in ids:
            self._until.pop(item_id, None)
            self._until[item_id] = now + self._rest

    def next_after(self, now: float) -> float | None:
        """Say in how many seconds the next item may move again; None when none rests."""
        for until in self._until.values():
            return max(0.0, until - now)
        return None
