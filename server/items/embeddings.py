"""The SQL of embeddings: storing them, finding what is near, and what still lacks one."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text

from server.items.model import Embedding, Listed, Near, TextToEmbed
from server.items.store import any_of, item_embeddings, items
from server.items.vectors import written
from server.kernel.database import Db
from server.kernel.ids import floor_of

# With filters, a plain HNSW scan gives too few rows; 100 is where recall is good and cost is not.
_EF_SEARCH = "100"

# Only for an item whose text is still the one that was embedded, and that is still live.
_SAVE = text(
    """
    insert into content.item_embeddings (item_id, model, kind, source_id, sort_at, embedding)
    select i.id, :model, i.kind, i.source_id, i.sort_at, cast(given.vector as halfvec)
    from unnest(cast(:ids as uuid[]), cast(:edited as timestamptz[]), cast(:vectors as text[]))
         as given (id, edited_at, vector)
    join content.items i on i.id = given.id and i.state = 'live'
         and i.edited_at is not distinct from given.edited_at
    on conflict (item_id, model) do update set embedding = excluded.embedding
    returning item_id
    """
)

# The settings are made by the statement itself, for the statement alone: `ids` depends on them,
# so they hold before the first index scan begins.
_NEAR = text(
    f"""
    with settings as materialized (
      select set_config('hnsw.iterative_scan', 'relaxed_order', true) as scan,
             set_config('hnsw.ef_search', '{_EF_SEARCH}', true) as ef)
    select q.item_id as featured, near.similarity, near.packed, {
        ", ".join(f"i.{name}" for name in Listed.__struct_fields__)
    }
    from settings
    cross join lateral unnest(
      case when settings.scan is not null and settings.ef is not null
           then cast(:ids as uuid[]) end) as wanted (id)
    join content.item_embeddings q on q.item_id = wanted.id and q.model = :model
    cross join lateral (
      select e.item_id, 1 - (e.embedding <=> q.embedding) as similarity,
             halfvec_send(e.embedding) as packed
      from content.item_embeddings e
      where e.model = :model and e.item_id <> q.item_id
        and e.item_id >= :oldest and e.sort_at >= :since
      order by e.embedding <=> q.embedding
      limit :most) near
    join content.items i on i.id = near.item_id and i.state = 'live'
      and not exists (
        select from content.users u where u.id = i.author_id and u.state <> 'active')
    order by q.item_id, near.similarity desc, i.id
    """  # noqa: S608 - the names are those of a struct
)

_MISSING = text(
    """
    select i.id from content.items i
    where i.state = 'live' and i.id >= :oldest and i.id < :newest
      and not exists (select 1 from content.item_embeddings e
                      where e.item_id = i.id and e.model = :model)
    order by i.id desc
    limit :most
    """
)


async def texts(db: Db, model: str, ids: Collection[UUID]) -> list[TextToEmbed]:
    """Read what is embedded of items that are live and lack it; an edit has removed the old."""
    there = (
        select(item_embeddings.c.item_id)
        .where(item_embeddings.c.item_id == items.c.id, item_embeddings.c.model == model)
        .exists()
    )
    rows = await db.execute(
        select(*(items.c[name] for name in TextToEmbed.__struct_fields__))
        .where(items.c.id == any_of(ids), items.c.state == "live", ~there)
        .order_by(items.c.id)
    )
    return [TextToEmbed(**row) for row in rows.mappings()]


async def save(db: Db, model: str, embeddings: Sequence[Embedding]) -> list[UUID]:
    """Store embeddings whose text is still what it was; gives their items."""
    rows = await db.execute(
        _SAVE,
        {
            "model": model,
            "ids": [each.id for each in embeddings],
            "edited": [each.edited_at for each in embeddings],
            "vectors": [written(each.vector) for each in embeddings],
        },
    )
    return list(rows.scalars())


async def near(
    db: Db, model: str, ids: Collection[UUID], *, since: datetime, most: int
) -> dict[UUID, list[Near]]:
    """Read what is near each of some items, nearest first, in one statement."""
    rows = await db.execute(
        _NEAR,
        {
            "ids": list(ids),
            "model": model,
            "oldest": floor_of(since),
            "since": since,
            "most": most,
        },
    )
    found: dict[UUID, list[Near]] = {each: [] for each in ids}
    for row in rows.mappings():
        item = Listed(**{name: row[name] for name in Listed.__struct_fields__})
        found[row["featured"]].append(Near(item, float(row["similarity"]), row["packed"]))
    return found


async def missing(db: Db, model: str, *, since: datetime, until: datetime, most: int) -> list[UUID]:
    """Read which live items, seen between two times, lack an embedding; the latest first."""
    rows = await db.execute(
        _MISSING,
        {"model": model, "oldest": floor_of(since), "newest": floor_of(until), "most": most},
    )
    return list(rows.scalars())


async def forget(db: Db, ids: Collection[UUID]) -> None:
    """Remove embeddings: their items have another text now, or are gone."""
    await db.execute(item_embeddings.delete().where(item_embeddings.c.item_id == any_of(ids)))
