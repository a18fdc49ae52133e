"""The job that renders the film of one card."""

import asyncio

from jobs.cards.model import FILM_MIME, CardText, film_key
from jobs.cards.studio import NotRendered, Rendered, rendered
from jobs.cards.texts import wanted
from jobs.runtime import job
from server import media
from server.kernel.services import Services

# An attempt says that it lives at least so often, far within what is taken for death.
_WORD_SECONDS = 1.0


class TakenOver(Exception):
    """Another attempt has the right to the result now."""


@job(media.RENDER)
async def render_card(services: Services, args: media.Rendering) -> None:
    """Render a card: of what waits now the last published one, the item's own when none does.

    A job may have waited for hours behind others, and readers look at what is new first. As there
    is a job for each card, each gets its turn.
    """
    async with services.write() as db:
        item_id = await media.next_to_render(db) or args.item_id
        attempt = await media.begin_rendering(db, item_id, now=services.clock.now())
        what = (await wanted(db, [item_id])).get(item_id)
    if attempt is None:
        return
    if what is None:
        async with services.write() as db:
            await media.film_failed(db, attempt, "The item is gone.", for_good=True)
        return
    try:
        await _render(services, attempt, what.card)
    except TakenOver:
        return
    except NotRendered as error:
        async with services.write() as db:
            await media.film_failed(db, attempt, str(error))
        raise


async def _render(services: Services, attempt: media.Attempt, card: CardText) -> None:
    word = _Word(services, attempt)
    async with rendered(card, word.say) as film:
        await word.say(1.0)
        key = film_key(card.digest)
        await services.storage.put_file(key, film.path, mime=FILM_MIME)
        async with services.write() as db:
            await media.film_made(db, attempt, _video(key, film))


class _Word:
    """Writes now and then how far an attempt is, and hears whether it still counts."""

    def __init__(self, services: Services, attempt: media.Attempt) -> None:
        self._services = services
        self._attempt = attempt
        self._said_at = 0.0

    async def say(self, done: float) -> None:
        """Note how far it is, unless that was noted a moment ago.

        Raises:
            TakenOver: the attempt was given up on.

        """
        now = asyncio.get_running_loop().time()
        if now - self._said_at < _WORD_SECONDS:
            return
        self._said_at = now
        async with self._services.database.begin() as db:
            if not await media.note_progress(db, self._attempt, done):
                raise TakenOver


def _video(key: str, film: Rendered) -> media.Video:
    return media.Video(
        key=key,
        mime=FILM_MIME,
        width=film.width,
        height=film.height,
        bytes=film.bytes,
        duration_sec=film.duration_sec,
    )
