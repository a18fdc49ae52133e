"""Single items as visitors see them, kept for an hour (T-26).

What can change from one moment to the next is not kept with them: whether they may be seen, their
counters and their author's name are read each time, so nothing that was retracted is ever shown.
"""

from datetime import datetime
from functools import partial
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from server import engagement, items, users
from server.display import actions
from server.display.model import AuthorRef, Item
from server.display.visibility import visible
from server.engagement import NoSuchItem
from server.kernel.cache import Cache
from server.kernel.database import Db
from server.kernel.services import Services
from server.kernel.viewer import VISITOR
from server.users import User

SECONDS = 3600.0


class Shown(Struct, frozen=True):
    """An item whole, and the edit of it that this is."""

    item: Item
    edited_at: datetime | None


class KeptItems:
    """The cache of one process."""

    def __init__(self, services: Services) -> None:
        self.cache = Cache(
            services.redis,
            services.clock,
            "post",
            Shown,
            seconds=SECONDS,
            # A poll moves, and a quoted item may be gone before what quotes it.
            keeps=lambda shown: shown.item.quoted is None and shown.item.poll is None,
        )


def kept_items(services: Services) -> KeptItems:
    """Give the cache of this process."""
    part: KeptItems | None = services.parts.get(KeptItems)
    if part is None:
        part = services.parts[KeptItems] = KeptItems(services)
    return part


async def one(services: Services, item_id: UUID) -> Item:
    """Give one item whole, as visitors see it.

    Raises:
        NoSuchItem: there is none, or it was retracted.

    """
    cache = kept_items(services).cache
    make = partial(_make, services, item_id)
    shown = await cache.get(str(item_id), make)
    async with services.database.read() as db:
        item, author = await _seen(db, item_id)
        if item.edited_at != shown.edited_at:
            # The word that it was edited is still on its way.
            await cache.forget(str(item_id))
            shown = await make()
        counts = (await engagement.counts(db, [item_id]))[item_id]
    named = shown.item.author
    if author is not None:
        named = AuthorRef(name=author.display_name, id=author.id, username=author.username)
    return replace(shown.item, counts=counts, author=named)


async def _seen(db: Db, item_id: UUID) -> tuple[items.StoredItem, User | None]:
    found = await items.by_ids(db, [item_id])
    authors = await users.by_ids(db, {each.author_id for each in found.values() if each.author_id})
    if item_id not in await visible(db, VISITOR, found.values(), authors, muted=True):
        raise NoSuchItem
    item = found[item_id]
    return item, authors.get(item.author_id) if item.author_id else None


async def _make(services: Services, item_id: UUID) -> Shown:
    async with services.database.read() as db:
        item = await actions.one(db, VISITOR, item_id, services.storage)
        edited_at = (await items.by_ids(db, [item_id]))[item_id].edited_at
    return Shown(item, edited_at)
