"""The job that draws posters, so that an item is seen long before its film is there."""

import asyncio

from jobs.cards.design import posters
from jobs.cards.model import POSTER_MIME, CardText, poster_key
from jobs.cards.texts import wanted
from jobs.runtime import job
from server import media
from server.kernel.services import Services


@job(media.POSTERS)
async def draw_posters(services: Services, args: media.Posters) -> None:
    """Draw the posters that still wait, and say so of each as soon as it is stored."""
    async with services.database.read() as db:
        waiting = await media.wanting_posters(db, args.ids)
        found = await wanted(db, waiting)
    gone = [item_id for item_id in waiting if item_id not in found]
    if gone:
        async with services.write() as db:
            await media.set_aside(db, gone, "The item is gone.")
    for item_id, what in found.items():
        made = media.Poster(
            item_id=item_id,
            input_digest=what.card.digest,
            key=await _stored(services, what.card),
            original=what.original,
        )
        async with services.write() as db:
            await media.poster_made(db, made)


async def _stored(services: Services, card: CardText) -> str:
    """Give the poster's key in the storage, where it is put if it is not there yet."""
    key = poster_key(card.digest)
    if not await services.storage.exists(key):
        drawn = await asyncio.to_thread(posters, card)
        # The poster comes last: where it is, all of it is.
        await services.storage.put(media.picture_of(key), drawn.picture, mime=POSTER_MIME)
        await services.storage.put(key, drawn.poster, mime=POSTER_MIME)
    return key
