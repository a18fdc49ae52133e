"""Reads what cards are made from."""

from collections.abc import Sequence
from urllib.parse import urlsplit
from uuid import UUID

from msgspec import Struct

from jobs.cards.model import CardText
from server import items, sources
from server.kernel.database import Db

# No card shows more than this; it spares the layout an article of thousands of words.
_LONGEST_BODY = 900
_LONGEST_LINE = 300


class Wanted(Struct, frozen=True):
    """What is on an item's card, and whether a film of its own makes another needless."""

    card: CardText
    original: bool


async def wanted(db: Db, ids: Sequence[UUID]) -> dict[UUID, Wanted]:
    """Read the texts of live items; the others are left out."""
    found = {i: item for i, item in (await items.by_ids(db, ids)).items() if item.state == "live"}
    source_ids = {item.source_id for item in found.values() if item.source_id is not None}
    known = await sources.by_ids(db, source_ids)
    return {
        item_id: Wanted(
            CardText(
                item_id=item_id,
                kind=item.kind,
                title=item.title and item.title[:_LONGEST_LINE],
                body=item.body_text[:_LONGEST_BODY],
                category=item.category and item.category[:_LONGEST_LINE],
                source=known[item.source_id].title if item.source_id in known else None,
                author=item.author_name and item.author_name[:_LONGEST_LINE],
            ),
            original=item.kind == "VIDEO" and _plays(item.video_url),
        )
        for item_id, item in found.items()
    }


def _plays(url: str | None) -> bool:
    """Say whether readers' players may take a film straight from its address."""
    return url is not None and urlsplit(url).scheme == "https"
