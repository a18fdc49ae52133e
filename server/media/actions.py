"""What jobs do with cards: a poster, then an attempt at a film, then its result."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from server.kernel import outbox
from server.kernel.database import Db
from server.kernel.ids import new_id
from server.media import store
from server.media.events import CardChanged
from server.media.model import MOST_ATTEMPTS, PATIENCE, SILENCE, Attempt, Card, Poster, Video
from server.media.tasks import Posters, Rendering

# Posters of one job: about a second of work, for embeddings wait in the same queue.
BATCH = 6


class Waiting(Struct, frozen=True):
    """Jobs that the state of cards asks for, each with its id, ready to be queued."""

    posters: list[tuple[str, Posters]]
    renderings: list[tuple[str, Rendering]]


async def cards(db: Db, ids: Sequence[UUID]) -> dict[UUID, Card]:
    """Read the cards of items; an item without one is left out."""
    return await store.cards(db, ids)


async def ensure(db: Db, ids: Sequence[UUID]) -> list[UUID]:
    """Let items have a card; gives those that had none."""
    return await store.add_cards(db, ids)


async def reopen(db: Db, ids: Sequence[UUID]) -> None:
    """Let cards be drawn anew because their items were edited."""
    await store.reopen(db, ids)


async def waiting(db: Db, *, now: datetime, limit: int) -> Waiting:
    """Derive from the cards the jobs still to be done, those of the last published items first."""
    posters = await store.waiting(db, since=now - PATIENCE, limit=limit)
    films = await store.unrendered(db, silent_since=now - SILENCE, limit=limit)
    return Waiting(poster_jobs(posters), [rendering_job(item_id) for item_id in films])


async def wanting_posters(db: Db, ids: Sequence[UUID]) -> list[UUID]:
    """Tell which of these items have a card that waits for its poster."""
    return await store.waiting_among(db, ids)


async def poster_made(db: Db, poster: Poster) -> bool:
    """Note a poster; False when another worker was first."""
    state = await store.save_poster(db, poster, state="ready" if poster.original else "poster")
    if state is None:
        return False
    event = CardChanged(item_id=poster.item_id, state="ready" if state == "ready" else "poster")
    await outbox.emit(db, event, key=poster.item_id)
    return True


async def set_aside(db: Db, ids: Sequence[UUID], reason: str) -> None:
    """Draw no card for items that cannot be shown."""
    await store.set_aside(db, ids, reason)


async def begin_rendering(db: Db, item_id: UUID, *, now: datetime) -> Attempt | None:
    """Begin an attempt at a film; None when there is none to make, or another is at it.

    A card whose attempts all fell silent, as one does that kills its worker, gets no other.
    """
    token, silent_since = new_id(), now - SILENCE
    if await store.abandon(db, item_id, silent_since=silent_since, most=MOST_ATTEMPTS):
        await outbox.emit(db, CardChanged(item_id=item_id, state="failed"), key=item_id)
        return None
    number = await store.begin(db, item_id, token, silent_since=silent_since)
    return None if number is None else Attempt(item_id, token, number)


async def next_to_render(db: Db) -> UUID | None:
    """Give the last published item of those whose film nobody has tried yet."""
    return await store.next_untried(db)


async def note_progress(db: Db, attempt: Attempt, done: float) -> bool:
    """Say that an attempt lives and how far it is; False when it was taken over."""
    return await store.progress(db, attempt, done)


async def film_made(db: Db, attempt: Attempt, video: Video) -> bool:
    """Note the film of an attempt; False when the attempt was taken over."""
    changed = await store.finish(db, attempt, video)
    if changed:
        event = CardChanged(item_id=attempt.item_id, state="ready")
        await outbox.emit(db, event, key=attempt.item_id)
    return changed


async def film_failed(db: Db, attempt: Attempt, error: str, *, for_good: bool = False) -> bool:
    """Note that an attempt failed; after the last one the card stays without a film."""
    last = for_good or attempt.number >= MOST_ATTEMPTS
    changed = await store.give_up(db, attempt, "failed" if last else "poster", error)
    if changed and last:
        event = CardChanged(item_id=attempt.item_id, state="failed")
        await outbox.emit(db, event, key=attempt.item_id)
    return changed


def poster_jobs(ids: Sequence[UUID]) -> list[tuple[str, Posters]]:
    """Part items into batches, each a job with an id."""
    batches = [list(ids[at : at + BATCH]) for at in range(0, len(ids), BATCH)]
    return [(f"poster-{batch[0]}-{len(batch)}", Posters(batch)) for batch in batches]


def rendering_job(item_id: UUID) -> tuple[str, Rendering]:
    """Give the job that renders an item's card, with its id."""
    return f"render-{item_id}", Rendering(item_id)


async def forget(db: Db, ids: Sequence[UUID]) -> list[str]:
    """Remove the media of items that are removed whole; gives what the storage shall drop."""
    return await store.forget(db, ids)
