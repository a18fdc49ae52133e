"""The channel of one item: what is said under it, what moves of it, and who is here."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from msgspec import Struct
from typing_extensions import override

from realtime import Socket
from server import engagement, posts, users
from server.comments import actions
from server.comments.model import Comment, CommentPage, CommentsNow, Draft, Edit, PageQuery
from server.comments.room import (
    TYPING_TOPIC,
    CountersPush,
    Heard,
    PollPush,
    PresentPush,
    RetractPush,
    Room,
)
from server.comments.typing import SAID_AGAIN_SECONDS, Writer, Writing
from server.display import Item
from server.engagement import Standing
from server.kernel.channel import On, TypedChannel
from server.kernel.endpoint import Nothing
from server.kernel.ids import new_id
from server.kernel.problems import uuid_from
from server.posts import Carded, Poll, VoteDraft


class EditedPush(Struct, frozen=True):
    """The item reads otherwise now."""

    items: list[Item]


class Which(Struct, frozen=True):
    """The item of the topic, unless another is named, such as a comment under it."""

    id: UUID | None = None


class EditComment(Edit, frozen=True, kw_only=True):
    """Other words for a comment under the item."""

    id: UUID


class TypingNow(Struct, frozen=True):
    """The reader writes; said again every few seconds, until they stop."""

    on: bool = True


class ItemChannel(TypedChannel):
    """`item:ID`: who reads it sees comments come, counters move, and who is writing."""

    joins: ClassVar[type] = PageQuery
    join_returns: ClassVar[Any] = CommentsNow

    def __init__(self, socket: Socket, topic: str) -> None:
        super().__init__(socket, topic)
        self.options = 0
        self.poll_ends_at: datetime | None = None
        self.voted = False
        self._room = self.services.part(Room)
        self._writer: Writer | None = None
        self._said_at = float("-inf")

    @property
    def item_id(self) -> UUID:
        """The item that the topic names."""
        return uuid_from(self.topic.removeprefix("item:"))

    @property
    def reader(self) -> UUID | None:
        """Who looks at it."""
        return self.viewer.id

    @override
    async def joined(self, params: PageQuery) -> CommentsNow:
        services = self.services
        wanted = params.wanted(services.policy.secret)
        async with services.database.read() as db:
            found = await actions.now_under(db, self.viewer, self.item_id, services.storage, wanted)
        if found.poll is not None:
            self.options = len(found.poll.options)
            self.poll_ends_at = found.poll.ends_at
            self.voted = found.poll.my_vote is not None
        self._room.open(self.item_id, self)
        # A visitor is known by nothing, so each of their screens counts.
        self._room.attendance.enter(self, self.item_id, self.viewer.id or new_id())
        return found

    @override
    def terminate(self, reason: str) -> None:
        self._room.close(self.item_id, self)

    async def comment(self, draft: Draft) -> Comment:
        """Write under the item, or answer a comment."""
        services = self.services
        async with services.write() as db:
            comment_id = await actions.create(
                db, self.viewer, self.item_id, draft, services.clock.now()
            )
            found = await actions.by_ids(db, self.viewer, [comment_id], services.storage)
        return found[comment_id]

    async def edit_comment(self, edit: EditComment) -> Comment:
        """Give one's own comment other words, for a while after it was written."""
        services = self.services
        async with services.write() as db:
            seconds, now = services.policy.post_edit_seconds, services.clock.now()
            await actions.edit(db, self.viewer, edit.id, edit, seconds, now)
            found = await actions.by_ids(db, self.viewer, [edit.id], services.storage)
        return found[edit.id]

    async def delete_comment(self, which: Which) -> None:
        """Take a comment away."""
        async with self.services.write() as db:
            now = self.services.clock.now()
            await actions.delete(db, self.viewer, self._meant(which), now)

    async def more(self, query: PageQuery) -> CommentPage:
        """Give the page of comments after a cursor."""
        services = self.services
        wanted = query.wanted(services.policy.secret)
        async with services.database.read() as db:
            return await actions.page(db, self.viewer, self.item_id, services.storage, wanted)

    async def like(self, which: Which) -> Standing:
        """Like the item, or a comment under it."""
        async with self.services.write() as db:
            return await engagement.like(db, self.viewer, self._meant(which))

    async def unlike(self, which: Which) -> Standing:
        """Take a like back."""
        async with self.services.write() as db:
            return await engagement.unlike(db, self.viewer, self._meant(which))

    async def bookmark(self, which: Which) -> Standing:
        """Keep the item for later."""
        async with self.services.write() as db:
            return await engagement.bookmark(db, self.viewer, self._meant(which))

    async def unbookmark(self, which: Which) -> Standing:
        """Keep the item no longer."""
        async with self.services.write() as db:
            return await engagement.unbookmark(db, self.viewer, self._meant(which))

    async def repost(self, which: Which) -> Standing:
        """Pass the item on to one's followers."""
        async with self.services.write() as db:
            return await engagement.repost(db, self.viewer, self._meant(which))

    async def unrepost(self, which: Which) -> Standing:
        """Take a repost back."""
        async with self.services.write() as db:
            return await engagement.unrepost(db, self.viewer, self._meant(which))

    async def vote(self, draft: VoteDraft) -> Poll:
        """Vote in the item's poll, once and for good."""
        async with self.services.write() as db:
            poll = await posts.vote(db, self.viewer, self.item_id, draft.option)
        self.voted = True
        return poll

    async def typing(self, now: TypingNow) -> None:
        """Let others see that one is writing; what is said too often is passed over."""
        time = asyncio.get_running_loop().time()
        if now.on and time - self._said_at < SAID_AGAIN_SECONDS:
            return
        self._said_at = time if now.on else float("-inf")
        writer = await self._who()
        if writer is not None:
            heard = Heard(self.item_id, writer, now.on)
            await self.services.publisher.broadcast(TYPING_TOPIC, "typing", heard)

    def writing(self, _: Nothing) -> Writing:
        """Say who is writing just now."""
        return self._room.typing.now(self.item_id)

    def _meant(self, which: Which) -> UUID:
        return which.id or self.item_id

    async def _who(self) -> Writer | None:
        """Give the name under which the reader writes; None for who is not to be seen."""
        if self._writer is None and self.viewer.id is not None:
            async with self.services.database.read() as db:
                person = (await users.by_ids(db, [self.viewer.id])).get(self.viewer.id)
            if person is not None and person.state == "active":
                self._writer = Writer(person.id, person.username, person.display_name)
        return self._writer

    handles: ClassVar[Mapping[str, On]] = {
        "comment": On(Draft, comment, access="user", returns=Comment),
        "edit_comment": On(EditComment, edit_comment, access="user", returns=Comment),
        "delete_comment": On(Which, delete_comment, access="user"),
        "more": On(PageQuery, more, returns=CommentPage),
        "like": On(Which, like, access="user", returns=Standing),
        "unlike": On(Which, unlike, access="user", returns=Standing),
        "bookmark": On(Which, bookmark, access="user", returns=Standing),
        "unbookmark": On(Which, unbookmark, access="user", returns=Standing),
        "repost": On(Which, repost, access="user", returns=Standing),
        "unrepost": On(Which, unrepost, access="user", returns=Standing),
        "vote": On(VoteDraft, vote, access="user", returns=Poll),
        "typing": On(TypingNow, typing, access="user"),
        "writing": On(Nothing, writing, returns=Writing),
    }
    pushes: ClassVar[Mapping[str, Any]] = {
        "comment": Comment,
        "comment_edited": Comment,
        "counters": CountersPush,
        "edited": EditedPush,
        "link": Carded,
        "poll": PollPush,
        "presence": PresentPush,
        "retract": RetractPush,
        "typing": Writing,
    }
