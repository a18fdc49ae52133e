"""What moderation tells: what was decided, and why."""

from typing import ClassVar, Literal
from uuid import UUID

from server.kernel.outbox import Event


class Decided(Event, frozen=True):
    """The house decided about something; whom it concerns is told, except of a shadowban."""

    topic: ClassVar[str] = "moderation.decided"

    verdict: Literal["takedown", "restore", "suspend", "reinstate"]
    user_id: UUID
    reason: str
    note: str
    item_id: UUID | None = None
