"""What timelines tell, for the most part to themselves: what one step committed is the next's."""

from typing import ClassVar
from uuid import UUID

from server.kernel.outbox import Event


class Appeared(Event, frozen=True):
    """Somebody brought an item before their followers, or took it away again.

    The time is in microseconds, as the entry's key has it.
    """

    topic: ClassVar[str] = "timeline.appeared"
    actor_id: UUID
    item_id: UUID
    at: int
    repost: bool
    gone: bool = False


class AuthorSank(Event, frozen=True):
    """An author has few enough followers again to be written into their timelines."""

    topic: ClassVar[str] = "timeline.author_sank"
    author_id: UUID
    # Which of several times; a later one makes an earlier one void.
    turn: UUID
