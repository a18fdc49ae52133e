"""The channel of one item: its comments as they come, and its counters as they move."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID
from weakref import WeakKeyDictionary

from msgspec import Struct
from typing_extensions import override

from realtime import Broadcast, Hub
from server.comments import actions
from server.comments.model import Comment, CommentPage, CommentsNow, Draft, PageQuery, Wanted
from server.engagement import COUNTERS_EVENT, COUNTERS_TOPIC, ItemCounts
from server.kernel.channel import On, TypedChannel
from server.kernel.problems import uuid_from


class CountersPush(Struct, frozen=True):
    """Counters that moved."""

    items: list[ItemCounts]


class RetractPush(Struct, frozen=True):
    """Items that are gone."""

    ids: list[UUID]


class _Watched:
    """The items that are open on this node, and the one ear that listens for their counters."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._open: dict[UUID, int] = {}
        self._stop: Callable[[], None] | None = None

    def add(self, item_id: UUID) -> None:
        self._open[item_id] = self._open.get(item_id, 0) + 1
        if self._stop is None:
            self._stop = self._hub.subscribe(COUNTERS_TOPIC, self._on_counters)

    def remove(self, item_id: UUID) -> None:
        left = self._open.pop(item_id, 0) - 1
        if left > 0:
            self._open[item_id] = left
        if not self._open and self._stop is not None:
            self._stop()
            self._stop = None

    def _on_counters(self, broadcast: Broadcast) -> None:
        if broadcast.event != COUNTERS_EVENT:
            return
        for counts in broadcast.decode(CountersPush).items:
            if counts.id in self._open:
                self._hub.local_broadcast(f"item:{counts.id}", "counters", CountersPush([counts]))


_watched: "WeakKeyDictionary[Hub, _Watched]" = WeakKeyDictionary()


class ItemChannel(TypedChannel):
    """`item:ID`: who reads it sees comments come and counters move."""

    joins: ClassVar[type] = PageQuery
    join_returns: ClassVar[Any] = CommentsNow

    @property
    def item_id(self) -> UUID:
        """The item that the topic names."""
        return uuid_from(self.topic.removeprefix("item:"))

    @override
    async def joined(self, params: PageQuery) -> CommentsNow:
        services = self.services
        async with services.database.read() as db:
            found = await actions.now_under(
                db, self.viewer, self.item_id, services.storage, self._wanted(params)
            )
        hub = self.socket.endpoint
        _watched.setdefault(hub, _Watched(hub)).add(self.item_id)
        return found

    @override
    async def terminate(self, reason: str) -> None:
        watched = _watched.get(self.socket.endpoint)
        if watched is not None:
            watched.remove(self.item_id)

    async def comment(self, draft: Draft) -> Comment:
        """Write under the item, or answer a comment."""
        services = self.services
        async with services.write() as db:
            comment_id = await actions.create(
                db, self.viewer, self.item_id, draft, services.clock.now()
            )
            found = await actions.by_ids(db, self.viewer, [comment_id], services.storage)
        return found[comment_id]

    async def more(self, query: PageQuery) -> CommentPage:
        """Give the page of comments after a cursor."""
        services = self.services
        async with services.database.read() as db:
            return await actions.page(
                db, self.viewer, self.item_id, services.storage, self._wanted(query)
            )

    def _wanted(self, query: PageQuery) -> Wanted:
        return Wanted(self.services.policy.secret, query.cursor, query.limit)

    handles: ClassVar[Mapping[str, On]] = {
        "comment": On(Draft, comment, access="user", returns=Comment),
        "more": On(PageQuery, more, returns=CommentPage),
    }
    pushes: ClassVar[Mapping[str, Any]] = {
        "comment": Comment,
        "counters": CountersPush,
        "retract": RetractPush,
    }
