"""What notifications tell. Each carries the number of its change in its owner's inbox."""

from typing import ClassVar
from uuid import UUID

from server.kernel.outbox import Event


class NotificationDispatched(Event, frozen=True):
    """A notification was written or changed; open sessions of its owner should show it."""

    topic: ClassVar[str] = "notification.dispatched"
    user_id: UUID
    id: UUID
    change: int
    # Somebody was added: it is worth a telephone's lighting up.
    news: bool = True


class NotificationsRead(Event, frozen=True):
    """Somebody read or saw notifications; their other open sessions should agree."""

    topic: ClassVar[str] = "notification.read"
    user_id: UUID
    up_to: UUID | None
    change: int


class NotificationsGone(Event, frozen=True):
    """Nothing is left of notifications: what they told of was taken back, or removed."""

    topic: ClassVar[str] = "notification.gone"
    user_id: UUID
    ids: list[UUID]
    change: int
