"""What moderation tells: somebody's things are hidden or shown again, and why."""

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


class PersonHidden(Event, frozen=True):
    """Nothing of this person may be shown to others from now on."""

    topic: ClassVar[str] = "person.hidden"

    user_id: UUID
    # A suspended person's sign-ins have ended, and their tokens count no longer.
    suspended: bool


class PersonShownAgain(Event, frozen=True):
    """What this person wrote is shown again."""

    topic: ClassVar[str] = "person.shown_again"

    user_id: UUID
