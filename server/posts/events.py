"""What posts tell."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from server.kernel.outbox import Event


class PostCreated(Event, frozen=True):
    """Somebody posted."""

    topic: ClassVar[str] = "post.created"
    id: UUID
    author_id: UUID
    created_at: datetime
    quote_of: UUID | None = None
    # People whom the text names, once each, without the author.
    mentions: tuple[UUID, ...] = ()
    link_url: str | None = None


class PostEdited(Event, frozen=True):
    """Somebody changed the words of a post."""

    topic: ClassVar[str] = "post.edited"
    id: UUID
    author_id: UUID
    # Only those whom the text did not name before.
    mentions: tuple[UUID, ...] = ()
    link_url: str | None = None


class PostDeleted(Event, frozen=True):
    """A post is gone, by its author's hand or an admin's."""

    topic: ClassVar[str] = "post.deleted"
    id: UUID
    author_id: UUID


class PollClosed(Event, frozen=True):
    """The time of a poll is over; whom that concerns is told in steps, `after` the last of one."""

    topic: ClassVar[str] = "poll.ended"
    id: UUID
    after: UUID | None = None


class LinkCarded(Event, frozen=True):
    """It is known now what a post's link leads to."""

    topic: ClassVar[str] = "post.link_carded"
    id: UUID
