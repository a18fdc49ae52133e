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
    in_order = await _drawable(db, event.ids)
    added = set(await actions.ensure(db, in_order))
    await _draw(services, [each for each in in_order if each in added])


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
    """Put the last published first, and leave out comments: they have no card of their own."""
    found = await items.by_ids(db, ids)
    in_order = sorted(found.values(), key=lambda item: item.sort_at, reverse=True)
    return [item.id for item in in_order if item.kind != "COMMENT"]


async def _draw(services: Services, ids: Sequence[UUID]) -> None:
    await services.queue.enqueue_many(POSTERS, actions.poster_jobs(ids))


reactions = [
    Reaction("media.published", ItemsPublished, on_published),
    Reaction("media.edited", ItemsEdited, on_edited),
    Reaction("media.card", CardChanged, on_card),
]
