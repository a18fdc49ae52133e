"""What can be done with items, and what others may read of them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from server.items import embeddings, identity, store
from server.items.events import (
    ItemsEdited,
    ItemsEmbedded,
    ItemsPublished,
    ItemsRestored,
    ItemsRetracted,
)
from server.items.model import (
    EVENT_IDS,
    Answer,
    Embedding,
    Entry,
    Kind,
    Listed,
    Near,
    NewItem,
    Stored,
    StoredItem,
    TextToEmbed,
    Words,
    aimed,
)
from server.kernel import outbox
from server.kernel.database import Db
from server.kernel.ids import moment_of, new_id
from server.kernel.problems import SignInFirst
from server.kernel.viewer import Viewer

# Fresh items are on their way to the workers already; the sweep looks for what was left behind.
SWEEP_AGE = timedelta(seconds=30)
# More of one person are hardly on open screens; what is older is hidden when it is read.
ON_SCREENS = 1000


async def take_in(db: Db, source_id: UUID, entries: Sequence[Entry], now: datetime) -> Stored:
    """Store what a source tells: what is new, and what it has edited; the rest is left alone."""
    once = {each.digest: each for each in reversed(entries)}
    known = await identity.known(db, source_id, once)
    fresh = [each for digest, each in once.items() if digest not in known]
    edited = [
        (item_id, once[digest])
        for digest, (item_id, content) in known.items()
        if item_id is not None and content != once[digest].content_digest
    ]
    await store.edit(db, edited, now)
    await identity.remember(db, source_id, [each for _, each in edited])
    await embeddings.forget(db, [item_id for item_id, _ in edited])
    stored = await _insert(db, source_id, fresh, now)
    await _tell(db, ItemsPublished, stored.new)
    await _tell(db, ItemsEdited, tuple(item_id for item_id, _ in edited))
    return Stored(stored.new, tuple(item_id for item_id, _ in edited), stored.answers)


async def write(db: Db, new: NewItem, now: datetime) -> None:
    """Store what a person wrote here; who may write what is decided by who calls."""
    await store.insert(db, [store.row_written(new, now)])
    await _tell(db, ItemsPublished, (new.id,))


async def rewrite(db: Db, item_id: UUID, given: Words, now: datetime) -> bool:
    """Give what a person wrote here other words; False when it is gone. Who may, others decide."""
    if not await store.rewrite(db, item_id, given, now):
        return False
    await embeddings.forget(db, [item_id])
    await _tell(db, ItemsEdited, (item_id,))
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
    await _tell(db, ItemsRetracted, tuple(gone))
    return gone


async def restore(db: Db, ids: Collection[UUID]) -> list[UUID]:
    """Show retracted items again; gives those that were retracted. Who may is up to who calls."""
    back = await store.restore(db, ids)
    await _tell(db, ItemsRestored, tuple(back))
    return back


async def hide_of(db: Db, author_id: UUID) -> None:
    """Take the newest items of somebody off every open screen; they themselves stay as they are."""
    await _tell(db, ItemsRetracted, await _newest_of(db, author_id))


async def show_of(db: Db, author_id: UUID) -> None:
    """Take up again what `hide_of` took away."""
    await _tell(db, ItemsRestored, await _newest_of(db, author_id))


async def _newest_of(db: Db, author_id: UUID) -> tuple[UUID, ...]:
    return tuple(await store.newest_of(db, author_id, ON_SCREENS))


async def remove(db: Db, ids: Collection[UUID]) -> None:
    """Remove items and every trace of them here; open screens are told that they are gone."""
    await _tell(db, ItemsRetracted, tuple(ids))
    await embeddings.forget(db, ids)
    await identity.forget(db, ids)
    await store.delete(db, ids)


async def save_embeddings(db: Db, model: str, given: Sequence[Embedding]) -> list[UUID]:
    """Store embeddings; one whose item was edited or retracted meanwhile is left out."""
    saved = await embeddings.save(db, model, given)
    await _tell(db, ItemsEmbedded, tuple(saved))
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


async def _insert(db: Db, source_id: UUID, fresh: Sequence[Entry], now: datetime) -> Stored:
    # The ids are made in the order of publication, so that they sort like it.
    ordered = sorted(fresh, key=lambda each: each.published_at)
    pairs = [(new_id(), each) for each in ordered]
    claimed = await identity.claim(db, source_id, pairs, now)
    pairs = [(item_id, each) for item_id, each in pairs if item_id in claimed]
    stories = await _stories(db, pairs)
    answers = await _answers(db, pairs)
    targets = {answer.id: answer.target_id for answer in answers}
    await store.insert(
        db,
        [
            store.row_of(
                item_id,
                each,
                source_id=source_id,
                story=stories.get(each.url_digest or b"", item_id),
                target=targets.get(item_id),
                now=now,
            )
            for item_id, each in pairs
        ],
    )
    return Stored(tuple(item_id for item_id, _ in pairs), answers=tuple(answers))


async def _stories(db: Db, pairs: Sequence[tuple[UUID, Entry]]) -> dict[bytes, UUID]:
    """Say which story each link tells: one that is told already, else that of its first item."""
    links = {each.url_digest: item_id for item_id, each in reversed(pairs) if each.url_digest}
    return links | await identity.stories(db, links)


async def _answers(db: Db, pairs: Sequence[tuple[UUID, Entry]]) -> list[Answer]:
    """Find what the comments among new entries answer; what answers nothing known is none."""
    asking = {item_id: each.answers for item_id, each in pairs if each.answers is not None}
    wanted = {each.digest for each in asking.values()}
    wanted |= {each.url_digest for each in asking.values() if each.url_digest}
    found = await identity.answered(db, wanted)
    parents = {}
    for item_id, each in asking.items():
        parent = found.get(each.digest) or found.get(each.url_digest or b"")
        if parent is not None and parent != item_id:
            parents[item_id] = parent
    kept = await by_ids(db, set(parents.values()) - set(parents))
    targets = aimed(parents, {item_id: item.target_id for item_id, item in kept.items()})
    depths = {item_id: _depth(item_id, parents) for item_id in targets}
    dates = {item_id: min(each.published_at, moment_of(item_id)) for item_id, each in pairs}
    return [
        Answer(
            item_id,
            targets[item_id],
            None if parent == targets[item_id] else parent,
            dates[item_id],
        )
        for item_id, parent in sorted(parents.items(), key=lambda pair: depths.get(pair[0], 0))
        if item_id in targets
    ]


def _depth(comment: UUID, parents: Mapping[UUID, UUID]) -> int:
    """Count what a comment, which is in no ring, answers among the new ones."""
    depth = 0
    while (comment := parents[comment]) in parents:
        depth += 1
    return depth


async def _tell(
    db: Db,
    kind: type[ItemsPublished | ItemsEdited | ItemsEmbedded | ItemsRetracted | ItemsRestored],
    ids: tuple[UUID, ...],
) -> None:
    for start in range(0, len(ids), EVENT_IDS):
        part = list(ids[start : start + EVENT_IDS])
        await outbox.emit(db, kind(part), key=part[0])
