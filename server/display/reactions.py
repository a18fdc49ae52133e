"""What is kept of an item is forgotten when the item changes."""

from collections.abc import Collection
from uuid import UUID

from server.display.kept import kept_items
from server.items.events import ItemsEdited, ItemsRestored, ItemsRetracted
from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.media.events import CardChanged
from server.posts.events import LinkCarded


async def forget(
    services: Services, _db: Db, event: ItemsEdited | ItemsRetracted | ItemsRestored
) -> None:
    """Forget items that are no longer what they were."""
    await _forget(services, event.ids)


async def forget_card(services: Services, _db: Db, event: CardChanged) -> None:
    """Forget an item whose card has got further."""
    await _forget(services, [event.item_id])


async def forget_link(services: Services, _db: Db, event: LinkCarded) -> None:
    """Forget a post of whose link more is known."""
    await _forget(services, [event.id])


async def _forget(services: Services, ids: Collection[UUID]) -> None:
    for item_id in ids:
        await kept_items(services).cache.forget(str(item_id))


reactions = [
    Reaction("display.edited", ItemsEdited, forget),
    Reaction("display.retracted", ItemsRetracted, forget),
    Reaction("display.restored", ItemsRestored, forget),
    Reaction("display.card", CardChanged, forget_card),
    Reaction("display.link", LinkCarded, forget_link),
]
