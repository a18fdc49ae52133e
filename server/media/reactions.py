"""What media do when items come or change, and when a card has its poster."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from server import items, uploads
from server.items.events import ItemsEdited, ItemsPublished
from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.media import actions, encoding
from server.media.events import CardChanged, EncodingChanged
from server.media.made import EncodingState
from server.media.tasks import ENCODE, POSTERS, RENDER
from server.uploads.events import UploadArrived


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


async def on_upload(services: Services, db: Db, event: UploadArrived) -> None:
    """Have a film or a sound encoded that somebody brought."""
    upload = await uploads.film_or_sound(db, event.id)
    if upload is None:
        return
    await encoding.ask(
        db,
        upload.id,
        upload.owner_id,
        key=upload.key,
        size=upload.size,
        now=services.clock.now(),
    )
    job_id, args = encoding.ticket(upload.id)
    await services.queue.enqueue(ENCODE, args, job_id=job_id)


async def on_encoding(services: Services, _db: Db, event: EncodingChanged) -> None:
    """Tell the owner's open screens, and queue what waits anew.

    Of what is done or refused the upload tells.
    """
    if event.state == "waiting":
        job_id, args = encoding.ticket(event.id)
        await services.queue.enqueue(ENCODE, args, job_id=job_id)
    state = _SHOWN.get(event.state)
    if state is not None:
        push = uploads.MediaPush(event.id, event.key, state, 0.0, event.error)
        await services.publisher.broadcast(f"user:{event.owner_id}", "media", push)


_SHOWN: dict[EncodingState, Literal["arrived", "failed", "cancelled"]] = {
    "waiting": "arrived",
    "failed": "failed",
    "cancelled": "cancelled",
}


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
    Reaction("media.upload", UploadArrived, on_upload),
    Reaction("media.encoding", EncodingChanged, on_encoding),
]
