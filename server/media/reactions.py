"""What media do when items come or change, and when a card has its poster."""

from collections.abc import Sequence
from uuid import UUID

from server import items
from server.items.events import ItemsEdited, ItemsPublished
from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.media import actions
from server.media.events import CardChanged
from server.media.tasks import POSTERS, RENDER


async def on_published(services: Services, db: Db, event: ItemsPublished) -> None:
    """Let new items have cards, and their posters be drawn."""
    await _draw(services, await actions.ensure(db, await _drawable(db, event.ids)))


async def on_edited(services: Services, db: Db, event: ItemsEdited) -> None:
    """Let the cards of edited items be drawn anew."""
    await actions.reopen(db, event.ids)
    await _draw(services, event.ids)


async def on_card(services: Services, _db: Db, event: CardChanged) -> None:
    """Let a card with a poster be rendered."""
    if event.state == "poster":
        job_id, args = actions.rendering_job(event.item_id)
        await services.queue.enqueue(RENDER, args, job_id=job_id)


async def _drawable(db: Db, ids: Sequence[UUID]) -> list[UUID]:
    """Leave out comments: they have no card of their own."""
    found = await items.by_ids(db, ids)
    return [item.id for item in found.values() if item.kind != "COMMENT"]


async def _draw(services: Services, ids: Sequence[UUID]) -> None:
    newest_first = sorted(ids, reverse=True)
    await services.queue.enqueue_many(POSTERS, actions.poster_jobs(newest_first))


reactions = [
    Reaction("media.published", ItemsPublished, on_published),
    Reaction("media.edited", ItemsEdited, on_edited),
    Reaction("media.card", CardChanged, on_card),
]
