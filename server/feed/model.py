"""Feeds as their readers see them, and what is written down of a session."""

from typing import Annotated, Literal, TypeAlias
from uuid import UUID, uuid5

from msgspec import UNSET, Meta, Struct, UnsetType

from server.display import Item
from server.engagement import ItemCounts

FeedName: TypeAlias = Literal["news", "foryou"]

NEWS_LIMIT = 10
NEWS_MOST = 20
FORYOU_LIMIT = 20
FORYOU_MOST = 50
WATCHED_MOST = 50
LEADING_MOST = 10
# An item with its words is a few kilobytes: so many of them are one frame.
EDITED_AT_ONCE = 10

Ids: TypeAlias = Annotated[list[UUID], Meta(max_length=WATCHED_MOST)]


class Entry(Struct, frozen=True, array_like=True):
    """What was given at one seq of a session: never changed, only hydrated (rulings 2)."""

    ids: tuple[UUID, ...]
    # Of a slide: what it is about, how it came about, and whose its featured item is.
    topic: str = ""
    reason: str = ""
    maker: str = ""
    propensity: float = 1.0


class Log(Struct, frozen=True):
    """The ledger of a session as it stood when it was read."""

    session: UUID
    # Which ledger of this session it is: after a loss there is another.
    epoch: int
    # The seq before its first entry: more than 0 when it follows a lost one.
    base: int = 0
    entries: tuple[Entry, ...] = ()
    # Items that are never given again, known from before the loss.
    barred: frozenset[UUID] = frozenset()

    @property
    def tail(self) -> int:
        """The seq of the last entry."""
        return self.base + len(self.entries)

    def between(self, after: int, until: int) -> list[tuple[int, Entry]]:
        """Give the entries after one seq up to another, each with its seq."""
        first, last = max(after, self.base), min(until, self.tail)
        return [(seq, self.entries[seq - self.base - 1]) for seq in range(first + 1, last + 1)]

    def seen(self) -> frozenset[UUID]:
        """Every item that must not be given again."""
        return self.barred.union(*(entry.ids for entry in self.entries))

    def slide_id(self, seq: int) -> UUID:
        """Name the slide at a seq, always the same."""
        return uuid5(self.session, f"{self.epoch}:{seq}")


class Debug(Struct, frozen=True):
    """Why a slide was shown (L-27)."""

    topic: str
    reason: str
    propensity: float


class SlideView(Struct, frozen=True):
    """One featured item and exactly three related ones."""

    slide_id: UUID
    seq: int
    featured: Item
    related: tuple[Item, Item, Item]
    debug: Debug | UnsetType = UNSET


class NewsPage(Struct, frozen=True, omit_defaults=True):
    """A page of slides; `cursor` and `next_cursor` are the position after it (rulings 4)."""

    cursor: str
    next_cursor: str
    has_more: bool
    slides: list[SlideView]
    # The session's ledger was lost: what comes now does not repeat what was seen before.
    restarted: bool = False


class ItemsPage(Struct, frozen=True, omit_defaults=True):
    """A page of For You; the first item has seq `first_seq`, and so on."""

    cursor: str
    next_cursor: str
    has_more: bool
    first_seq: int
    items: list[Item]
    restarted: bool = False


class SlidePush(Struct, frozen=True):
    """The next slide, pushed ahead of the reader; `cursor` is the position after it."""

    seq: int
    cursor: str
    slide: SlideView


class ItemPush(Struct, frozen=True):
    """The next card, pushed ahead of the reader; `cursor` is the position after it."""

    seq: int
    cursor: str
    item: Item


class Fresh(Struct, frozen=True):
    """New items can be had; nothing of what was given changes."""

    count: int
    ids: list[UUID]


class Hidden(Struct, frozen=True):
    """Items of somebody who is hidden, as nodes hear of it: gone for all but their author."""

    ids: list[UUID]
    author_id: UUID


class Retract(Struct, frozen=True):
    """These items must be gone from the screen."""

    ids: list[UUID]


class Edited(Struct, frozen=True):
    """These items read otherwise now; what they are and what was done to them stays."""

    items: list[Item]


class Reset(Struct, frozen=True):
    """The session's ledger was lost; slides go on after `cursor`."""

    reason: str
    cursor: str


class Counters(Struct, frozen=True):
    """The counters of items that are watched; of two for one item the greater version is newer."""

    items: list[ItemCounts]


class CardReady(Struct, frozen=True):
    """The card of an item got its poster or can be played now."""

    id: UUID
    media_url: str | None
    poster_url: str | None
    duration_sec: float | None
