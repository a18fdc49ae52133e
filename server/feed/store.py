"""The read models of feeds, and what readers have seen.

A feed reads across domains: its SQL names their tables, in one place, rather than asking each
domain for a part and joining by hand.
"""

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct
from sqlalchemy import text

from server.items import EMBEDDING_MODEL
from server.kernel.database import Db
from server.ranking import Candidate

# What engagement weighs, from the requirement V-07.
_WEIGHED = "c.likes + 13.5 * c.comments + 15 * c.quotes + 20 * c.reposts + 10 * c.bookmarks"


class Impression(Struct, frozen=True):
    """An item that a session has seen."""

    session: UUID
    item: UUID
    user: UUID | None
    feed: str
    seq: int


# The columns are the fields of a candidate, in their order. Every `limit` that looks needless keeps
# the planner to the index: without them it reads whole tables into a hash.
_NEWEST = text(
    f"""
    select i.id, i.kind, i.maker, i.story_id, i.category, i.sort_at,
      coalesce(c.engagement, 0)::float8 as engagement, i.thread
    from unnest(cast(:kinds as text[]), cast(:most as int[])) as wanted(kind, most)
    cross join lateral (
      select e.item_id
      from content.item_embeddings e
      where e.kind = wanted.kind and e.model = :model and e.item_id >= :floor
      order by e.sort_at desc
      limit wanted.most
    ) newest
    cross join lateral (
      select i.id, i.kind, coalesce(i.source_id, i.author_id, i.id)::text as maker, i.story_id,
        i.category, i.sort_at, case when i.kind = 'COMMENT' then i.target_id end as thread
      from content.items i
      where i.id = newest.item_id and i.state = 'live'
        and not exists (
          select from content.users u where u.id = i.author_id and u.state <> 'active')
      limit 1
    ) i
    left join lateral (
      select {_WEIGHED} as engagement from engage.item_counters c where c.item_id = i.id limit 1
    ) c on true
    """  # noqa: S608 - of constants
)


async def newest(db: Db, most: dict[str, int], floor: UUID) -> list[Candidate]:
    """Read the newest items of each kind that can be shown with what they are related to."""
    rows = await db.execute(
        _NEWEST,
        {
            "kinds": list(most),
            "most": list(most.values()),
            "model": EMBEDDING_MODEL,
            "floor": floor,
        },
    )
    return [Candidate(*row) for row in rows]


# Walks the items from the newest on and stops at the limit: the aggregate keeps it from beginning
# with all media there are.
_CARDS = text(
    """
    select i.id, card.ready
    from content.items i
    cross join lateral (
      select bool_or(m.state = 'ready') as ready
      from content.media m
      where m.item_id = i.id and m.state in ('poster', 'encoding', 'ready')
      having count(*) > 0
    ) card
    where i.state = 'live' and i.id >= :floor
      and not exists (
        select from content.users u where u.id = i.author_id and u.state <> 'active')
    order by i.sort_at desc, i.id desc
    limit :most
    """
)


async def cards(db: Db, most: int, floor: UUID) -> list[tuple[UUID, bool]]:
    """Read the newest items that have a card, and whether it can be played."""
    rows = await db.execute(_CARDS, {"most": most, "floor": floor})
    return [(row.id, row.ready) for row in rows]


_NOTE = text(
    """
    insert into engage.impressions (session_id, item_id, user_id, feed, seq)
    select * from unnest(
      cast(:sessions as uuid[]), cast(:items as uuid[]), cast(:users as uuid[]),
      cast(:feeds as text[]), cast(:seqs as int[]))
    on conflict do nothing
    """
)


async def note(db: Db, impressions: Sequence[Impression]) -> None:
    """Write what sessions have seen; what is known already stays as it is."""
    await db.execute(
        _NOTE,
        {
            "sessions": [each.session for each in impressions],
            "items": [each.item for each in impressions],
            "users": [each.user for each in impressions],
            "feeds": [each.feed for each in impressions],
            "seqs": [each.seq for each in impressions],
        },
    )


_SEEN = text(
    """
    select item_id from engage.impressions
    where session_id = :session order by seq desc limit :most
    """
)


async def seen(db: Db, session: UUID, most: int) -> frozenset[UUID]:
    """Read what a session has seen, the latest first."""
    rows = await db.execute(_SEEN, {"session": session, "most": most})
    return frozenset(row.item_id for row in rows)
