"""The channels of feeds: slides and cards come ahead of the reader, counters as they move."""

from collections import deque
from collections.abc import Awaitable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from msgspec import Meta, Struct
from typing_extensions import override

from realtime import Socket
from server.feed import actions
from server.feed.cursor import Cursor
from server.feed.model import (
    FORYOU_MOST,
    LEADING_MOST,
    NEWS_MOST,
    CardReady,
    Counters,
    Edited,
    FeedName,
    Fresh,
    ItemPush,
    ItemsPage,
    NewsPage,
    Reset,
    Retract,
    SlidePush,
)
from server.feed.reading import ACTS, ReaderChannel
from server.feed.session import Asked, Given
from server.kernel.channel import On

Seq = Annotated[int, Meta(ge=0)]


class JoinNews(Struct, frozen=True):
    """How many slides to begin with, and the cursor of the last one that the reader has.

    Without a cursor, a new session begins: with slides about the items of `fresh`, in that order,
    as far as they can be featured now.
    """

    cursor: str | None = None
    limit: Annotated[int, Meta(ge=1, le=NEWS_MOST)] | None = None
    fresh: Annotated[list[UUID], Meta(max_length=LEADING_MOST)] = []


class JoinForYou(Struct, frozen=True):
    """How many cards to begin with, after which one, and whether they must be playable."""

    cursor: str | None = None
    limit: Annotated[int, Meta(ge=1, le=FORYOU_MOST)] | None = None
    media: Literal["video"] | None = None


class Ack(Struct, frozen=True):
    """The reader has this one on the screen: the window moves on behind it."""

    seq: Seq


class MoreSlides(Struct, frozen=True):
    """A page of slides at once, please."""

    limit: Annotated[int, Meta(ge=1, le=NEWS_MOST)] | None = None


class MoreCards(Struct, frozen=True):
    """A page of cards at once, please."""

    limit: Annotated[int, Meta(ge=1, le=FORYOU_MOST)] | None = None


class FeedChannel(ReaderChannel):
    """What the feeds with ledgers do: the window ahead of what the reader has seen."""

    feed: ClassVar[FeedName]

    def __init__(self, socket: Socket, topic: str) -> None:
        super().__init__(socket, topic)
        # After which seq the reader's next one comes; set by the join.
        self.place: Cursor
        self.cursor: str | None = None
        self.lead: Sequence[UUID] = ()
        self.acked = 0
        self.joining = True
        # What was given and not acknowledged, which must not come again if the ledger is lost.
        self.held: deque[tuple[int, tuple[UUID, ...]]] = deque()

    async def give(self, limit: int) -> Any:
        """Give the page after the place, moving the place behind it."""
        raise NotImplementedError

    async def push_next(self, limit: int) -> None:
        """Push what comes after the place, one by one, moving the place behind it."""
        raise NotImplementedError

    def asked(self, limit: int) -> Asked:
        """Say what this reader wants next."""
        return Asked(
            feed=self.feed,
            viewer=self.viewer,
            cursor=self.cursor,
            limit=limit,
            lead=() if self.cursor else self.lead,
            held=frozenset(item for _, ids in self.held for item in ids),
        )

    def took(self, given: Given) -> None:
        """Move the place behind what was given."""
        if given.restarted:
            self.acked = given.place.seq - len(given.entries)
            # A push inside a join follows its answer, any other goes before what it announces:
            # so the cursor is that of what the reader has when it reads this.
            cursor = self.node.sessions.cursor_at(given.place, self.acked)
            self.push("reset", Reset("ledger_lost", given.cursor if self.joining else cursor))
        self.joining = False
        self.place, self.cursor = given.place, given.cursor
        self.held += ((seq, entry.ids) for seq, entry in given.entries)

    def wanted(self, limit: int | None) -> int:
        """Say how many to give at once: as many as the window holds, unless told."""
        return limit or self.services.policy.feed_window

    def ack(self, ack: Ack) -> Awaitable[None] | None:
        """Take note of what the reader has seen, and push until the window is full again."""
        seq = min(ack.seq, self.place.seq)
        if seq > self.acked:
            self._note_seen(seq)
        ahead = self.acked + self.services.policy.feed_window - self.place.seq
        return self.push_next(ahead) if ahead > 0 else None

    def _note_seen(self, seq: int) -> None:
        while self.held and self.held[0][0] <= seq:
            at, ids = self.held.popleft()
            self.node.impressions.note(self.place, at, ids)
        self.acked = seq


SHARED: Mapping[str, On] = {**ACTS, "ack": On(Ack, FeedChannel.ack)}


class NewsChannel(FeedChannel):
    """`feed:news`: slides, a window ahead of the reader's last ack."""

    feed: ClassVar[FeedName] = "news"
    joins: ClassVar[type] = JoinNews
    join_returns: ClassVar[Any] = NewsPage

    @override
    async def joined(self, params: JoinNews) -> NewsPage:
        self.enter()
        self.cursor, self.lead = params.cursor, params.fresh
        page = await self.give(self.wanted(params.limit))
        self.acked = self.place.seq - len(page.slides)
        return page

    @override
    async def give(self, limit: int) -> NewsPage:
        given, page = await actions.give_news(self.services, self.asked(limit))
        self.took(given)
        return page

    @override
    async def push_next(self, limit: int) -> None:
        page = await self.give(limit)
        for slide in page.slides:
            cursor = self.node.sessions.cursor_at(self.place, slide.seq)
            self.push("slide", SlidePush(slide.seq, cursor, slide))

    async def more(self, more: MoreSlides) -> NewsPage:
        """Give a page of slides at once."""
        return await self.give(self.wanted(more.limit))

    handles: ClassVar[Mapping[str, On]] = {
        **SHARED,
        "more": On(MoreSlides, more, returns=NewsPage),
    }
    pushes: ClassVar[Mapping[str, Any]] = {
        "slide": SlidePush,
        "counters": Counters,
        "fresh": Fresh,
        "edited": Edited,
        "retract": Retract,
        "reset": Reset,
    }


class ForYouChannel(FeedChannel):
    """`feed:foryou`: cards, newest first, a window ahead of the reader's last ack."""

    feed: ClassVar[FeedName] = "foryou"
    joins: ClassVar[type] = JoinForYou
    join_returns: ClassVar[Any] = ItemsPage

    def __init__(self, socket: Socket, topic: str) -> None:
        super().__init__(socket, topic)
        self.playable = False

    @override
    async def joined(self, params: JoinForYou) -> ItemsPage:
        self.enter()
        self.cursor = params.cursor
        self.playable = params.media == "video"
        page = await self.give(self.wanted(params.limit))
        self.acked = self.place.seq - len(page.items)
        return page

    @override
    async def give(self, limit: int) -> ItemsPage:
        given, page = await actions.give_cards(
            self.services, self.asked(limit), playable=self.playable
        )
        self.took(given)
        return page

    @override
    async def push_next(self, limit: int) -> None:
        page = await self.give(limit)
        for seq, item in enumerate(page.items, start=page.first_seq):
            cursor = self.node.sessions.cursor_at(self.place, seq)
            self.push("item", ItemPush(seq, cursor, item))

    async def more(self, more: MoreCards) -> ItemsPage:
        """Give a page of cards at once."""
        return await self.give(self.wanted(more.limit))

    handles: ClassVar[Mapping[str, On]] = {
        **SHARED,
        "more": On(MoreCards, more, returns=ItemsPage),
    }
    pushes: ClassVar[Mapping[str, Any]] = {
        "item": ItemPush,
        "media": CardReady,
        "counters": Counters,
        "fresh": Fresh,
        "edited": Edited,
        "retract": Retract,
        "reset": Reset,
    }
