"""What a source tells becomes items: what is new, what it has edited, and what answers what."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from server.items import embeddings, identity, pictures, stages, store, stories
from server.items.events import ItemsEdited, ItemsPublished
from server.items.model import Answer, Entry, Given, Stored, aimed
from server.items.telling import tell
from server.kernel.database import Db
from server.kernel.ids import moment_of, new_id


async def take_in(
    db: Db, source_id: UUID, entries: Sequence[Entry], now: datetime, given: Given | None = None
) -> Stored:
    """Store what a source tells: what is new, and what it has edited; the rest is left alone."""
    given = given or Given()
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
    pairs, answers = await _insert(db, source_id, fresh, now)
    new = tuple(item_id for item_id, _ in pairs)
    shown = [(item_id, each.image_url) for item_id, each in (*pairs, *edited) if each.image_url]
    await pictures.want(db, source_id, shown, licence=given.licence, now=now)
    if given.fetched_at is not None:
        published = [(item_id, each.published_at) for item_id, each in pairs]
        await stages.begin(db, source_id, published, fetched_at=given.fetched_at, now=now)
    await tell(db, ItemsPublished, new)
    await tell(db, ItemsEdited, tuple(item_id for item_id, _ in edited))
    return Stored(new, tuple(item_id for item_id, _ in edited), answers)


async def unknown(db: Db, source_id: UUID, entries: Sequence[Entry]) -> list[Entry]:
    """Give the entries that were never stored, in their order."""
    known = await identity.known(db, source_id, [each.digest for each in entries])
    return [each for each in entries if each.digest not in known]


async def _insert(
    db: Db, source_id: UUID, fresh: Sequence[Entry], now: datetime
) -> tuple[list[tuple[UUID, Entry]], tuple[Answer, ...]]:
    # The ids are made in the order of publication, so that they sort like it.
    ordered = sorted(fresh, key=lambda each: each.published_at)
    pairs = [(new_id(), each) for each in ordered]
    claimed = await identity.claim(db, source_id, pairs, now)
    pairs = [(item_id, each) for item_id, each in pairs if item_id in claimed]
    told = await _stories(db, pairs)
    story_of = {item_id: told.get(each.url_digest or b"", item_id) for item_id, each in pairs}
    answers = await _answers(db, pairs)
    targets = {answer.id: answer.target_id for answer in answers}
    await store.insert(
        db,
        [
            store.row_of(
                item_id,
                each,
                source_id=source_id,
                story=story_of[item_id],
                target=targets.get(item_id),
                now=now,
            )
            for item_id, each in pairs
        ],
    )
    joined = {story for item_id, story in story_of.items() if story != item_id}
    await stories.tell(db, sorted(joined), now)
    return pairs, tuple(answers)


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
    kept = await store.by_ids(db, set(parents.values()) - set(parents))
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
