"""What items tell: they came, they can be shown, they were edited, they are gone."""

from typing import ClassVar
from uuid import UUID

from server.kernel.outbox import Event


class ItemsPublished(Event, frozen=True):
    """Items were stored; they still want an embedding and a card."""

    topic: ClassVar[str] = "item.published"
    ids: list[UUID]


class ItemsEmbedded(Event, frozen=True):
    """Items can now be shown with what they are related to."""

    topic: ClassVar[str] = "item.embedded"
    ids: list[UUID]


class ItemsEdited(Event, frozen=True):
    """The text of items changed at their source."""

    topic: ClassVar[str] = "item.edited"
    ids: list[UUID]


class ItemsRestored(Event, frozen=True):
    """Items that were retracted are to be shown again."""

    topic: ClassVar[str] = "item.restored"
    ids: list[UUID]


class ItemsRetracted(Event, frozen=True):
    """Items must be gone from every open screen, but of an author who is hidden."""

    topic: ClassVar[str] = "item.retracted"
    ids: list[UUID]
    # Whom others see no more, and who is not to notice it.
    hidden_author: UUID | None = None
