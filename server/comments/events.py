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
