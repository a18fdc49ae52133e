"""What can be done with items, and what others may read of them."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from server.items import embeddings, identity, stages, store, stories
from server.items.events import (
    ItemsEdited,
    ItemsEmbedded,
    ItemsPublished,
    ItemsRestored,
    ItemsRetracted,
)
from server.items.model import (
    Embedding,
    Kind,
    Listed,
    Near,
    NewItem,
    StoredItem,
    TextToEmbed,
    Words,
)
from server.items.stories import Story
from server.items.telling import tell, tell_hidden
from server.kernel.database import Db
from server.kernel.problems import SignInFirst
from server.kernel.viewer import Viewer

# Fresh items are on their way to the workers already; the sweep looks for what was left behind.
SWEEP_AGE = timedelta(seconds=30)
# More of one person are hardly on open screens; what is older is hidden when it is read.
ON_SCREENS = 1000
STAGES_KEPT = timedelta(days=7)
FORGOTTEN_AT_ONCE = 5000


async def write(db: Db, new: NewItem, now: datetime) -> None:
    """Store what a person wrote here; who may write what is decided by who calls."""
    await store.insert(db, [store.row_written(new, now)])
    await tell(db, ItemsPublished, (new.id,))


async def rewrite(db: Db, item_id: UUID, given: Words, now: datetime) -> bool:
    """Give what a person wrote here other words; False when it is gone. Who may, others decide."""
    if not await store.rewrite(db, item_id, given, now):
        return False
    await embeddings.forget(db, [item_id])
    await tell(db, ItemsEdited, (item_id,))
    return True


async def retract(db: Db, viewer: Viewer, ids: Collection[UUID]) -> list[UUID]:
    """Hide items everywhere: an admin any, others their own; gives those that were still shown.

    Raises:
        SignInFirst: the viewer is a visitor.

    """
    if viewer.id is None and not viewer.is_admin:
        raise SignInFirst
    gone = await store.retract(db, ids, None if viewer.is_admin else viewer.id)
    await embeddings.forget(db, gone)
    await identity.entomb(db, gone)
    await tell(db, ItemsRetracted, tuple(gone))
    return gone


async def restore(db: Db, ids: Collection[UUID]) -> list[UUID]:
    """Show retracted items again; gives those that were retracted. Who may is up to who calls."""
    back = await store.restore(db, ids)
    await tell(db, ItemsRestored, tuple(back))
    return back


async def hide_of(db: Db, author_id: UUID) -> None:
    """Take the newest items of somebody off all open screens but theirs; the items stay."""
    await tell_hidden(db, author_id, await _newest_of(db, author_id))


async def show_of(db: Db, author_id: UUID) -> None:
    """Take up again what `hide_of` took away."""
    await tell(db, ItemsRestored, await _newest_of(db, author_id))


async def _newest_of(db: Db, author_id: UUID) -> tuple[UUID, ...]:
    return tuple(await store.newest_of(db, author_id, ON_SCREENS))


async def erase_of(db: Db, author_id: UUID) -> None:
    """Retract all that somebody wrote, and leave nothing of its text."""
    while live := await store.newest_of(db, author_id, ON_SCREENS):
        gone = await store.retract(db, live, author_id)
        await embeddings.forget(db, gone)
        await identity.entomb(db, gone)
        await tell(db, ItemsRetracted, tuple(gone))
    await store.blank_of(db, author_id)


async def remove(db: Db, ids: Collection[UUID]) -> None:
    """Remove items and every trace of them here; open screens are told that they are gone."""
    await tell(db, ItemsRetracted, tuple(ids))
    await embeddings.forget(db, ids)
    await identity.forget(db, ids)
    await store.delete(db, ids)


async def save_embeddings(
    db: Db, model: str, given: Sequence[Embedding], now: datetime
) -> list[UUID]:
    """Store embeddings, and let their items join the stories that they tell.

    One whose item was edited or retracted meanwhile is left out.
    """
    saved = await embeddings.save(db, model, given)
    await stories.cluster(db, model, saved, now)
    await stages.passed(db, "embedded", saved, now)
    await tell(db, ItemsEmbedded, tuple(saved))
    return saved


async def texts_to_embed(db: Db, model: str, ids: Collection[UUID]) -> list[TextToEmbed]:
    """Read what is embedded of items that are live and lack it, so that no work is done twice."""
    return await embeddings.texts(db, model, ids)


async def missing_embeddings(
    db: Db, model: str, now: datetime, *, back: timedelta, most: int = 1000
) -> list[UUID]:
    """Read which live items of the last while lack an embedding, for the sweep."""
    return await embeddings.missing(db, model, since=now - back, until=now - SWEEP_AGE, most=most)


async def near(
    db: Db, model: str, ids: Collection[UUID], *, since: datetime, most: int
) -> dict[UUID, list[Near]]:
    """Read what is near each of some items, nearest first; one statement for all of them."""
    return await embeddings.near(db, model, ids, since=since, most=most) if ids else {}


async def listed(
    db: Db,
    *,
    kinds: Collection[Kind],
    since: datetime,
    limit: int,
    model: str | None = None,
    before: tuple[datetime, UUID] | None = None,
) -> list[Listed]:
    """Read live items by `sort_at`, the newest first; with a model, only what it has embedded."""
    return await store.listed(db, kinds=kinds, since=since, limit=limit, model=model, before=before)


async def by_ids(db: Db, ids: Collection[UUID]) -> dict[UUID, StoredItem]:
    """Read items, retracted ones too."""
    return await store.by_ids(db, ids) if ids else {}


async def of_sources(db: Db, source_ids: Collection[UUID]) -> list[UUID]:
    """Read the ids of all items of some sources."""
    return await store.of_sources(db, source_ids)


async def aimed_at(db: Db, ids: Collection[UUID]) -> list[UUID]:
    """Read the ids of the comments on some items."""
    return await store.aimed_at(db, ids)


async def count_since(db: Db, source_id: UUID, since: datetime) -> int:
    """Count what a source has published since."""
    return await store.count_since(db, source_id, since)


async def set_author(db: Db, source_id: UUID, author_name: str, author_id: UUID) -> None:
    """Give what a name wrote in a source to a person."""
    await store.set_author(db, source_id, author_name, author_id)


async def told(db: Db, ids: Collection[UUID], now: datetime) -> None:
    """Stamp items of sources of which open screens are told now."""
    await stages.passed(db, "told", ids, now)


async def shown(db: Db, ids: Collection[UUID], now: datetime) -> None:
    """Stamp items of sources that somebody has on a screen, by the first time."""
    await stages.passed(db, "shown", ids, now)


async def forget(db: Db, now: datetime) -> bool:
    """Remove what is kept of items for a while only; says whether there may be more."""
    return await stages.forget(db, now - STAGES_KEPT, FORGOTTEN_AT_ONCE)


async def stories_of(db: Db, ids: Collection[UUID]) -> dict[UUID, Story]:
    """Read what is known of stories that more than one item tells."""
    return await stories.by_ids(db, ids) if ids else {}
