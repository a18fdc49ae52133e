"""The channel of one item: its comments as they come, and its counters as they move."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from msgspec import Struct
from sqlalchemy.exc import SQLAlchemyError
from typing_extensions import override

from realtime import Broadcast, Hub
from server import engagement
from server.comments import actions
from server.comments.model import Comment, CommentPage, CommentsNow, Draft, PageQuery, Wanted
from server.display import Item
from server.engagement import COUNTERS_EVENT, COUNTERS_TOPIC, ItemCounts
from server.kernel.channel import On, TypedChannel
from server.kernel.problems import uuid_from
from server.kernel.services import Services


class CountersPush(Struct, frozen=True):
    """Counters that moved."""

    items: list[ItemCounts]


class RetractPush(Struct, frozen=True):
    """Items that are gone."""

    ids: list[UUID]


class EditedPush(Struct, frozen=True):
    """The item reads otherwise now."""

    items: list[Item]


class OpenItems:
    """The items that are open on this node, and the one ear that listens for their counters."""

    def __init__(self, services: Services, hub: Hub) -> None:
        self._services = services
        self._hub = hub
        self._open: dict[UUID, int] = {}
        self._deaf: list[Callable[[], None]] = []
        self._reading: asyncio.Task[None] | None = None

    def add(self, item_id: UUID) -> None:
        """Tell what moves of an item from now on."""
        self._open[item_id] = self._open.get(item_id, 0) + 1
        if not self._deaf:
            self._deaf = [
                self._hub.subscribe(COUNTERS_TOPIC, self._on_counters),
                self._hub.on_gap(self._on_missed),
            ]

    def remove(self, item_id: UUID) -> None:
        """One screen fewer shows the item."""
        left = self._open.pop(item_id, 0) - 1
        if left > 0:
            self._open[item_id] = left
        if not self._open:
            while self._deaf:
                self._deaf.pop()()

    def _on_counters(self, broadcast: Broadcast) -> None:
        if broadcast.event == COUNTERS_EVENT:
            self._tell(broadcast.decode(CountersPush).items)
        else:
            self._on_missed()

    def _tell(self, moved: Iterable[ItemCounts]) -> None:
        for counts in moved:
            if counts.id in self._open:
                self._hub.local_broadcast(f"item:{counts.id}", "counters", CountersPush([counts]))

    def _on_missed(self) -> None:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_again())

    async def _read_again(self) -> None:
        # When the database is away too, the next change brings screens up to date.
        with contextlib.suppress(OSError, SQLAlchemyError):
            async with self._services.database.read() as db:
                self._tell(await engagement.item_counts(db, list(self._open)))


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
        self._open_items().add(self.item_id)
        return found

    @override
    async def terminate(self, reason: str) -> None:
        self._open_items().remove(self.item_id)

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

    def _open_items(self) -> OpenItems:
        parts = self.services.parts
        if OpenItems not in parts:
            parts[OpenItems] = OpenItems(self.services, self.socket.endpoint)
        return self.services.part(OpenItems)

    def _wanted(self, query: PageQuery) -> Wanted:
        return Wanted(self.services.policy.secret, query.cursor, query.limit)

    handles: ClassVar[Mapping[str, On]] = {
        "comment": On(Draft, comment, access="user", returns=Comment),
        "more": On(PageQuery, more, returns=CommentPage),
    }
    pushes: ClassVar[Mapping[str, Any]] = {
        "comment": Comment,
        "counters": CountersPush,
        "edited": EditedPush,
        "retract": RetractPush,
    }
