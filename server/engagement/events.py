"""What engagement tells."""

from typing import ClassVar, Literal
from uuid import UUID

from server.kernel.outbox import Event


class EngagementRecorded(Event, frozen=True):
    """A viewer did something to an item, or took it back."""

    topic: ClassVar[str] = "engagement.recorded"
    action: Literal["like", "unlike", "bookmark", "unbookmark", "repost", "unrepost"]
    item_id: UUID
    user_id: UUID


class VoteCast(Event, frozen=True):
    """Somebody voted in a poll."""

    topic: ClassVar[str] = "poll.voted"
    poll_id: UUID
    user_id: UUID
