"""What media tell."""

from typing import ClassVar, Literal
from uuid import UUID

from server.kernel.outbox import Event


class CardChanged(Event, frozen=True):
    """The card of an item has its poster, or is ready to play."""

    topic: ClassVar[str] = "card.changed"
    item_id: UUID
    state: Literal["poster", "ready", "failed"]
