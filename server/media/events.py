"""What media tell."""

from typing import ClassVar, Literal
from uuid import UUID

from server.kernel.outbox import Event
from server.media.made import EncodingState


class CardChanged(Event, frozen=True):
    """The card of an item has its poster, or is ready to play."""

    topic: ClassVar[str] = "card.changed"
    item_id: UUID
    state: Literal["poster", "ready", "failed"]


class EncodingChanged(Event, frozen=True):
    """The encoding of an upload is done, failed, was cancelled, or waits anew."""

    topic: ClassVar[str] = "encoding.changed"
    id: UUID
    owner_id: UUID
    key: str
    state: EncodingState
    error: str | None = None
