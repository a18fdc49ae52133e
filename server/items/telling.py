"""Tells the others of what happened to items, not too many at a time."""

from uuid import UUID

from server.items.events import (
    ItemsEdited,
    ItemsEmbedded,
    ItemsPublished,
    ItemsRestored,
    ItemsRetracted,
)
from server.items.model import EVENT_IDS
from server.kernel import outbox
from server.kernel.database import Db


async def tell(
    db: Db,
    kind: type[ItemsPublished | ItemsEdited | ItemsEmbedded | ItemsRetracted | ItemsRestored],
    ids: tuple[UUID, ...],
) -> None:
    """Emit the event that tells of items, in parts."""
    for start in range(0, len(ids), EVENT_IDS):
        part = list(ids[start : start + EVENT_IDS])
        await outbox.emit(db, kind(part), key=part[0])
