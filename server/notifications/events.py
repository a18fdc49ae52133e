"""What notifications tell."""

from typing import ClassVar
from uuid import UUID

from server.kernel.outbox import Event


class NotificationDispatched(Event, frozen=True):
    """A notification was written or grew; open sessions of its owner should show it."""

    topic: ClassVar[str] = "notification.dispatched"
    user_id: UUID
    id: UUID
