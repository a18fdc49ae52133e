"""What comments tell."""

from typing import ClassVar
from uuid import UUID

from server.kernel.outbox import Event


class CommentCreated(Event, frozen=True):
    """Somebody wrote under an item, or answered a comment."""

    topic: ClassVar[str] = "comment.created"
    id: UUID
    target_id: UUID
    parent_id: UUID | None
    author_id: UUID | None
    # People whom the text names, once each, without the author.
    mentions: tuple[UUID, ...] = ()


class CommentEdited(Event, frozen=True):
    """Somebody changed the words of a comment."""

    topic: ClassVar[str] = "comment.edited"
    id: UUID
    target_id: UUID
    parent_id: UUID | None
    author_id: UUID
    # Only those whom the text did not name before.
    mentions: tuple[UUID, ...] = ()


class CommentDeleted(Event, frozen=True):
    """Somebody took a comment away; under what has answers, its place stays."""

    topic: ClassVar[str] = "comment.deleted"
    id: UUID
    target_id: UUID
    parent_id: UUID | None
