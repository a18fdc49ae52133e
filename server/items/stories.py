"""Which items tell the same story: one link, or nearly the same words, in several sources."""

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Column, DateTime, Integer, Table, Text, select, text
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.items import embeddings
from server.items.store import any_of, items
from server.kernel.database import Db, metadata

# Two items that came further apart tell two stories, however alike they sound.
WINDOW = timedelta(hours=48)
# The cosine from which two texts are the same, and the one from which their titles decide.
SAME, PERHAPS = 0.92, 0.82
SAME_TITLE = 0.6
LOOKED_AT = 8
# A cluster that grows past this is one of words, not of a story.
MOST_OF_A_STORY = 60
KINDS = frozenset({"ARTICLE", "VIDEO", "AUDIO"})
_WORD = re.compile(r"\w+")
_LEAST_WORDS = 3

stories = Table(
    "stories",
    metadata,
    # The id of its first item; an item that is alone with its story has no row here.
    Column("id", PG_UUID, primary_key=True),
    Column("title", Text),
    Column("item_count", Integer, nullable=False),
    Column("source_count", Integer, nullable=False),
    Column("first_seen_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    schema="content",
)


class Story(Struct, frozen=True, kw_only=True):
    """What several sources tell."""

    id: UUID
    title: str | None
    item_count: int
    source_count: int
    first_seen_at: datetime
    updated_at: datetime


class Teller(Struct, frozen=True):
    """As much of an item as it takes to say whether it tells what another one does."""

    id: UUID
    kind: str
    title: str | None
    source_id: UUID | None
    story_id: UUID
    first_seen_at: datetime


def same_story(one: Teller, other: Teller, similarity: float) -> bool:
    """Say whether two items tell the same story.

    Never two of one source: what it numbers or repeats is alike, and meant.
    """
    if None in {one.source_id, other.source_id} or one.source_id == other.source_id:
        return False
    if not {one.kind, other.kind} <= KINDS:
        return False
    if abs(one.first_seen_at - other.first_seen_at) > WINDOW:
        return False
    alike = title_overlap(one.title, other.title)
    return similarity >= SAME or (similarity >= PERHAPS and alike >= SAME_TITLE)


def title_overlap(one: str | None, other: str | None) -> float:
    """Give the share of words that two titles have in common."""
    first, second = (set(_WORD.findall((each or "").casefold())) for each in (one, other))
    if min(len(first), len(second)) < _LEAST_WORDS:
        return 0.0
    return len(first & second) / len(first | second)


def merged(pairs: Iterable[tuple[UUID, UUID]]) -> dict[UUID, UUID]:
    """Say which story each one becomes when pairs of them are the same: the oldest of them."""
    root: dict[UUID, UUID] = {}

    def of(story: UUID) -> UUID:
        while root.get(story, story) != story:
            story = root[story]
        return story

    for one, other in pairs:
        first, second = sorted((of(one), of(other)))
        root[second] = first
    return {story: of(story) for story in root if of(story) != story}


async def cluster(db: Db, model: str, ids: Collection[UUID], now: datetime) -> None:
    """Let items that were just embedded join the stories that they tell."""
    tellers = await _tellers(db, ids)
    asked = [
        each.id
        for each in tellers.values()
        if each.kind in KINDS and each.source_id and now - each.first_seen_at <= WINDOW
    ]
    if not asked:
        return
    near = await embeddings.near(db, model, asked, since=now - 2 * WINDOW, most=LOOKED_AT)
    others = {each.item.id: each.similarity for found in near.values() for each in found}
    tellers |= await _tellers(db, [each for each in others if each not in tellers])
    pairs = [
        (tellers[one].story_id, tellers[each.item.id].story_id)
        for one in asked
        for each in near[one]
        if each.similarity >= PERHAPS
        and each.item.id in tellers
        and same_story(tellers[one], tellers[each.item.id], each.similarity)
    ]
    await _merge(db, merged(pairs), now)


async def tell(db: Db, story_ids: Collection[UUID], now: datetime) -> None:
    """Write down what is known of stories that more than one item tells."""
    if story_ids:
        await db.execute(_TELL, {"ids": list(story_ids), "now": now})


async def by_ids(db: Db, ids: Collection[UUID]) -> dict[UUID, Story]:
    """Read the stories that more than one item tells."""
    rows = await db.execute(select(*stories.c).where(stories.c.id == any_of(ids)))
    return {row["id"]: Story(**row) for row in rows.mappings()}


async def _tellers(db: Db, ids: Collection[UUID]) -> dict[UUID, Teller]:
    columns = [items.c[name] for name in Teller.__struct_fields__]
    rows = await db.execute(select(*columns).where(items.c.id == any_of(ids)))
    return {row["id"]: Teller(**row) for row in rows.mappings()}


async def _merge(db: Db, becomes: Mapping[UUID, UUID], now: datetime) -> None:
    sizes = await _sizes(db, {*becomes, *becomes.values()})
    for old, new in sorted(becomes.items()):
        if sizes.get(old, 1) + sizes.get(new, 1) > MOST_OF_A_STORY:
            continue
        sizes[new] = sizes.get(old, 1) + sizes.get(new, 1)
        await db.execute(items.update().where(items.c.story_id == old).values(story_id=new))
        await db.execute(stories.delete().where(stories.c.id == old))
    await tell(db, sorted(set(becomes.values())), now)


async def _sizes(db: Db, ids: Collection[UUID]) -> dict[UUID, int]:
    if not ids:
        return {}
    rows = await db.execute(
        select(stories.c.id, stories.c.item_count).where(stories.c.id == any_of(ids))
    )
    return {row.id: row.item_count for row in rows}


_TELL = text(
    """
    insert into content.stories
      (id, title, item_count, source_count, first_seen_at, updated_at)
    select i.story_id,
      (array_agg(i.title order by i.first_seen_at, i.id) filter (where i.title is not null))[1],
      count(*), count(distinct i.source_id), min(i.first_seen_at), :now
    from content.items i
    where i.story_id = any(cast(:ids as uuid[])) and i.state = 'live'
    group by i.story_id
    having count(*) > 1
    on conflict (id) do update set title = excluded.title, item_count = excluded.item_count,
      source_count = excluded.source_count, updated_at = excluded.updated_at
    """
)
