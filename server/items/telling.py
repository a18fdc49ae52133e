"""Tells the others of what happened to items, not too many at a time."""

from collections.abc import Iterator
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
    for part in _parts(ids):
        await outbox.emit(db, kind(part), key=part[0])


async def tell_hidden(db: Db, author_id: UUID, ids: tuple[UUID, ...]) -> None:
    """Emit that items must be gone from the screens of all but their author, in parts."""
    for part in _parts(ids):
        await outbox.emit(db, ItemsRetracted(part, hidden_author=author_id), key=part[0])


def _parts(ids: tuple[UUID, ...]) -> Iterator[list[UUID]]:
    for start in range(0, len(ids), EVENT_IDS):
        yield list(ids[start : start + EVENT_IDS])
