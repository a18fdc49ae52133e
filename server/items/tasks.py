"""The jobs that items need."""

import hashlib
from collections.abc import Iterator, Sequence
from uuid import UUID

from msgspec import Struct

from server.kernel.queue import Task

EMBED_BATCH = 32


class EmbedItems(Struct, frozen=True):
    """Which items are embedded."""

    ids: list[UUID]


class KeepPicture(Struct, frozen=True):
    """Of which item the picture is fetched."""

    item_id: UUID


KEEP_PICTURE = Task("items.keep_picture", "ingest", KeepPicture, timeout_seconds=120)
EMBED = Task("items.embed", "embed", EmbedItems, timeout_seconds=120, at_front=True)


def embed_jobs(ids: Sequence[UUID]) -> Iterator[tuple[str, EmbedItems]]:
    """Make the jobs that embed these items, each with a name that the same items give again."""
    for start in range(0, len(ids), EMBED_BATCH):
        part = list(ids[start : start + EMBED_BATCH])
        name = hashlib.sha256(b"".join(each.bytes for each in part)).hexdigest()[:24]
        yield f"embed-{name}", EmbedItems(part)


def picture_id(item_id: UUID) -> str:
    """Name the job that fetches an item's picture."""
    return f"picture-{item_id}"
