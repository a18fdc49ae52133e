"""The channel of the Following feed: pages of it, and word of what comes while it is open."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar
from uuid import UUID

from msgspec import Meta, Struct
from typing_extensions import override

from realtime import Socket
from server import timelines
from server.feed.model import Counters, Edited, Fresh, Retract
from server.feed.reading import ACTS, ReaderChannel
from server.kernel.channel import On
from server.timelines import MOST_OF_A_PAGE, PAGE, Live, TimelinePage, TimelineQuery

Limit = Annotated[int, Meta(ge=1, le=MOST_OF_A_PAGE)]
# A frame of `fresh` names no more than that; its count is that of all.
MOST_NAMED = 50


class JoinFollowing(Struct, frozen=True):
    """How many items to begin with, and the cursor of the last one that the reader has."""

    cursor: Annotated[str, Meta(max_length=120)] | None = None
    limit: Limit = PAGE


class Page(Struct, frozen=True):
    """A page at once, please."""

    limit: Limit = PAGE


class FollowingChannel(ReaderChannel):
    """`feed:following`: what those brought whom the reader follows, and `fresh` when more comes."""

    joins: ClassVar[type] = JoinFollowing
    join_returns: ClassVar[Any] = TimelinePage

    def __init__(self, socket: Socket, topic: str) -> None:
        super().__init__(socket, topic)
        self.live = self.services.part(Live)
        self.cursor: str | None = None

    @override
    async def joined(self, params: JoinFollowing) -> TimelinePage:
        self.enter()
        self.cursor = params.cursor
        page = await self._give(params.limit)
        if self.reader is not None:
            self.live.open(self.reader, self)
        return page

    async def more(self, page: Page) -> TimelinePage:
        """Give what comes after the last page."""
        return await self._give(page.limit)

    async def top(self, page: Page) -> TimelinePage:
        """Begin again at the newest, which is where `fresh` items are."""
        self.cursor = None
        return await self._give(page.limit)

    def came(self, ids: Sequence[UUID]) -> None:
        """Tell the reader that items came."""
        self.push("fresh", Fresh(len(ids), list(ids[:MOST_NAMED])))

    async def _give(self, limit: int) -> TimelinePage:
        query = TimelineQuery(self.cursor, limit)
        page = await timelines.following(self.services, self.viewer, query)
        self.cursor = page.cursor
        return page

    @override
    def terminate(self, reason: str) -> None:
        if self.reader is not None:
            self.live.leave(self.reader, self)
        super().terminate(reason)

    handles: ClassVar[Mapping[str, On]] = {
        **ACTS,
        "more": On(Page, more, access="user", returns=TimelinePage),
        "top": On(Page, top, access="user", returns=TimelinePage),
    }
    pushes: ClassVar[Mapping[str, Any]] = {
        "counters": Counters,
        "fresh": Fresh,
        "edited": Edited,
        "retract": Retract,
    }
