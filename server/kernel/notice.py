"""What the house has to say to a person, or to its admins: any domain may tell it.

Domains below and beside the inboxes do not know them; so they tell this event, and the inboxes
wait for it.
"""

from typing import ClassVar, Literal
from uuid import UUID

from server.kernel.outbox import Event


class NoticeGiven(Event, frozen=True):
    """The house has something to say: to one person, or without one to every admin."""

    topic: ClassVar[str] = "notice.given"
    kind: Literal["security", "source_trouble", "media_trouble"]
    # What it is about; unread notices of one kind about one thing are one notification.
    target_id: UUID
    text: str
    user_id: UUID | None = None
    item_id: UUID | None = None
