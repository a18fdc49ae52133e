"""When an item passed which stage on its way from its source to a screen, and how long each took.

Only of what a source tells after its first time: what it had before was not waited for.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Column, DateTime, Index, Table, text
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.kernel.database import Db, metadata
from server.kernel.metrics import ingest_stage_seconds

Stage: TypeAlias = Literal["fetched", "stored", "embedded", "told", "shown"]
# From which stage each is measured.
BEFORE: dict[Stage, str] = {
    "fetched": "published",
    "stored": "fetched",
    "embedded": "stored",
    "told": "embedded",
    "shown": "told",
}

item_stages = Table(
    "item_stages",
    metadata,
    Column("item_id", PG_UUID, primary_key=True),
    Column("source_id", PG_UUID, nullable=False),
    Column("published_at", DateTime(timezone=True), nullable=False),
    Column("fetched_at", DateTime(timezone=True), nullable=False),
    Column("stored_at", DateTime(timezone=True), nullable=False),
    Column("embedded_at", DateTime(timezone=True)),
    Column("told_at", DateTime(timezone=True)),
    # When the first reader had it on the screen, as far as clients acknowledge.
    Column("shown_at", DateTime(timezone=True)),
    Index("ix_item_stages_source", "source_id", "stored_at"),
    schema="content",
)


class Passed(Struct, frozen=True):
    """How long a stage took for the items of a source, in seconds."""

    stage: str
    count: int
    p50: float | None
    p95: float | None
    p99: float | None


async def begin(
    db: Db,
    source_id: UUID,
    published: Sequence[tuple[UUID, datetime]],
    *,
    fetched_at: datetime,
    now: datetime,
) -> None:
    """Stamp new items as published, fetched and stored."""
    if not published:
        return
    await db.execute(
        item_stages.insert(),
        [
            {
                "item_id": item_id,
                "source_id": source_id,
                # A source whose clock is ahead of ours has not published before it did.
                "published_at": min(at, fetched_at),
                "fetched_at": fetched_at,
                "stored_at": now,
            }
            for item_id, at in published
        ],
    )
    for _, at in published:
        took = (fetched_at - min(at, fetched_at)).total_seconds()
        ingest_stage_seconds.labels("fetched").observe(took)
        ingest_stage_seconds.labels("stored").observe((now - fetched_at).total_seconds())


async def passed(db: Db, stage: Stage, ids: Collection[UUID], now: datetime) -> None:
    """Stamp items with the first time that they passed a stage."""
    if not ids:
        return
    rows = await db.execute(_PASS[stage], {"ids": list(ids), "now": now})
    for row in rows:
        if row.took is not None:
            ingest_stage_seconds.labels(stage).observe(max(row.took, 0.0))
        if stage == "shown":
            ingest_stage_seconds.labels("whole").observe(max(row.whole, 0.0))


async def of_source(db: Db, source_id: UUID, since: datetime) -> list[Passed]:
    """Read how long each stage took for what came from a source since."""
    row = (await db.execute(_OF_SOURCE, {"source": source_id, "since": since})).mappings().one()
    return [
        Passed(stage, row[f"{stage}_count"], *(row[f"{stage}_took"] or (None, None, None)))
        for stage in (*BEFORE, "whole")
    ]


async def forget(db: Db, before: datetime, most: int) -> bool:
    """Remove some of what was stored before; says whether there may be more."""
    gone = await db.execute(_FORGET, {"before": before, "most": most})
    return gone.rowcount == most


# In one order everywhere, so that two who stamp the same items cannot wait for each other.
_PASS = {
    stage: text(
        f"""
        with stamped as (
          select item_id from content.item_stages
          where item_id = any(cast(:ids as uuid[])) and {stage}_at is null
          order by item_id for update)
        update content.item_stages s set {stage}_at = :now
        from stamped where s.item_id = stamped.item_id
        returning extract(epoch from s.{stage}_at - s.{before}_at)::float8 as took,
          extract(epoch from s.{stage}_at - s.published_at)::float8 as whole
        """  # noqa: S608 - of constants
    )
    for stage, before in BEFORE.items()
}
_MEASURED = {stage: f"{stage}_at - {before}_at" for stage, before in BEFORE.items()} | {
    "whole": "shown_at - published_at"
}
_PERCENTILES = ", ".join(
    f"""
    count({span}) as {stage}_count,
    percentile_cont(array[0.5, 0.95, 0.99])
      within group (order by extract(epoch from {span})::float8) as {stage}_took
    """
    for stage, span in _MEASURED.items()
)
_OF_SOURCE = text(
    f"""
    select {_PERCENTILES} from content.item_stages
    where source_id = :source and stored_at >= :since
    """  # noqa: S608 - of constants
)
_FORGET = text(
    """
    with old as (select item_id from content.item_stages where stored_at < :before limit :most)
    delete from content.item_stages where item_id in (select item_id from old)
    """
)
