"""What a reader does on any feed: watch what is visible, and do something to it."""

from collections.abc import Mapping
from uuid import UUID

from msgspec import Struct
from typing_extensions import override

from realtime import Socket
from server import comments, engagement
from server.comments import Comment, Draft
from server.engagement import Standing
from server.feed.counters_hub import Watcher, with_ids
from server.feed.model import Counters, Ids
from server.feed.node import FeedNode
from server.kernel.channel import On, TypedChannel


class Watch(Struct, frozen=True):
    """The items that are visible now, or are no longer."""

    ids: Ids


class Target(Struct, frozen=True):
    """The item that is meant."""

    id: UUID


class CommentOn(Struct, frozen=True):
    """A comment on an item, or an answer to a comment on it."""

    id: UUID
    body: str
    parent_id: UUID | None = None


class ReaderChannel(TypedChannel):
    """What all feeds have in common: watching, and what a reader does to an item."""

    def __init__(self, socket: Socket, topic: str) -> None:
        super().__init__(socket, topic)
        self.node = self.services.part(FeedNode)
        self.watcher = Watcher(self)
        self.reader: UUID | None = None

    def enter(self) -> None:
        """Note who looks, before anything is read for them: until the end they are told."""
        self.reader = self.viewer.id
        self.node.open(self)
        self.engine.on_end(lambda: self.node.leave(self))

    async def watch(self, watch: Watch) -> Counters:
        """Follow the counters of items, beginning with how they stand."""
        # First the ear, then the eye: what moves between the two is told as well.
        self.node.counters.watch(self.watcher, watch.ids)
        async with self.services.database.read() as db:
            counts = await engagement.counts(db, watch.ids)
        return Counters(with_ids(counts))

    def unwatch(self, watch: Watch) -> None:
        """Follow the counters of items no longer."""
        self.node.counters.unwatch(self.watcher, watch.ids)

    async def like(self, target: Target) -> Standing:
        """Like an item."""
        async with self.services.write() as db:
            return await engagement.like(db, self.viewer, target.id)

    async def unlike(self, target: Target) -> Standing:
        """Take a like back."""
        async with self.services.write() as db:
            return await engagement.unlike(db, self.viewer, target.id)

    async def bookmark(self, target: Target) -> Standing:
        """Keep an item for later."""
        async with self.services.write() as db:
            return await engagement.bookmark(db, self.viewer, target.id)

    async def unbookmark(self, target: Target) -> Standing:
        """Keep an item no longer."""
        async with self.services.write() as db:
            return await engagement.unbookmark(db, self.viewer, target.id)

    async def repost(self, target: Target) -> Standing:
        """Pass an item on to one's followers."""
        async with self.services.write() as db:
            return await engagement.repost(db, self.viewer, target.id)

    async def unrepost(self, target: Target) -> Standing:
        """Take a repost back."""
        async with self.services.write() as db:
            return await engagement.unrepost(db, self.viewer, target.id)

    async def comment(self, said: CommentOn) -> Comment:
        """Write under an item, or answer a comment."""
        services = self.services
        draft = Draft(body=said.body, parent_id=said.parent_id)
        async with services.write() as db:
            made = await comments.create(db, self.viewer, said.id, draft, services.clock.now())
            found = await comments.by_ids(db, self.viewer, [made], services.storage)
        return found[made]

    @override
    def terminate(self, reason: str) -> None:
        self.node.counters.leave(self.watcher)


ACTS: Mapping[str, On] = {
    "watch": On(Watch, ReaderChannel.watch, returns=Counters),
    "unwatch": On(Watch, ReaderChannel.unwatch),
    "like": On(Target, ReaderChannel.like, access="user", returns=Standing),
    "unlike": On(Target, ReaderChannel.unlike, access="user", returns=Standing),
    "bookmark": On(Target, ReaderChannel.bookmark, access="user", returns=Standing),
    "unbookmark": On(Target, ReaderChannel.unbookmark, access="user", returns=Standing),
    "repost": On(Target, ReaderChannel.repost, access="user", returns=Standing),
    "unrepost": On(Target, ReaderChannel.unrepost, access="user", returns=Standing),
    "comment": On(CommentOn, ReaderChannel.comment, access="user", returns=Comment),
}
