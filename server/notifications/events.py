"""What notifications tell."""

from typing import ClassVar
from uuid import UUID

from server.kernel.outbox import Event


class NotificationDispatched(Event, frozen=True):
    """A notification was written or grew; open sessions of its owner should show it."""

    topic: ClassVar[str] = "notification.dispatched"
    user_id: UUID
    id: UUID


class NotificationsRead(Event, frozen=True):
    """Somebody read notifications; their other open sessions should agree."""

    topic: ClassVar[str] = "notification.read"
    user_id: UUID
    up_to: UUID | None
