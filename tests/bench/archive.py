"""Fills a database with many items for benchmarks: topics, sources, vectors, three months of dates.

python -m tests.bench.archive ITEMS     (DATABASE_URL says where)
"""

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np

from server.items import EMBEDDING_MODEL
from server.kernel.database import listen_url
from server.kernel.ids import floor_of, new_id
from server.kernel.partitions import PARTITIONED, after, month_of, statements

DAYS = 90
TOPICS = 64
SOURCES = 400
BATCH = 5_000
KINDS = ("ARTICLE", "TWEET", "ARTICLE", "COMMENT", "VIDEO", "TWEET", "ARTICLE", "TWEET")
_ITEMS = [
    "id",
    "kind",
    "source_id",
    "category",
    "language",
    "title",
    "body_text",
    "url",
    "story_id",
    "target_id",
    "published_at",
    "first_seen_at",
]
_EMBEDDINGS = ["item_id", "model", "kind", "source_id", "sort_at", "embedding"]


async def main(count: int) -> None:
    """Store the items, then index their vectors."""
    began = time.monotonic()
    db = await asyncpg.connect(listen_url(os.environ["DATABASE_URL"]))
    await db.set_type_codec(
        "halfvec", schema="public", format="binary", encoder=packed, decoder=bytes
    )
    now = datetime.now(UTC)
    await make_months(db, now - timedelta(days=DAYS), now)
    # Built in one go an index is as good and much sooner there.
    index = await db.fetchval("select pg_get_indexdef('content.ix_item_embeddings_hnsw'::regclass)")
    await db.execute("drop index content.ix_item_embeddings_hnsw")
    sources = [new_id() for _ in range(SOURCES)]
    await db.executemany(
        "insert into content.sources (id, url, title) values ($1, $2, $3)",
        [(each, f"https://{n}.example/", f"Source {n}") for n, each in enumerate(sources)],
    )
    for items, embeddings in batches(count, sources, now):
        await db.copy_records_to_table(
            "items", schema_name="content", columns=_ITEMS, records=items
        )
        await db.copy_records_to_table(
            "item_embeddings", schema_name="content", columns=_EMBEDDINGS, records=embeddings
        )
    await db.execute("set maintenance_work_mem = '1GB'")
    await db.execute("set max_parallel_maintenance_workers = 2")
    await db.execute(index.replace(" ON ONLY ", " ON "))
    await db.execute("vacuum analyze")
    await db.close()
    print(f"{count:,} items over {DAYS} days in {time.monotonic() - began:.0f} s", flush=True)


def packed(vector: np.ndarray[Any, np.dtype[np.float16]]) -> bytes:
    """Write a vector as pgvector reads it: dimension, two unused bytes, big-endian halves."""
    return len(vector).to_bytes(2) + b"\0\0" + vector.astype(">f2").tobytes()


async def make_months(db: asyncpg.Connection, since: datetime, now: datetime) -> None:
    """Make the partitions of the months that are past."""
    for schema, table in PARTITIONED:
        month = month_of(since)
        while month < month_of(now):
            for statement in statements(schema, table, month):
                await db.execute(statement)
            month = after(month)


def batches(
    count: int, sources: list[UUID], now: datetime
) -> Iterator[tuple[list[Any], list[Any]]]:
    """Make rows of items and of their embeddings, oldest first."""
    chance = np.random.default_rng(20260301)
    centres = chance.normal(size=(TOPICS, 384))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    span = timedelta(days=DAYS) / count
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        topics = chance.integers(TOPICS, size=size)
        # Cosines of about 0.55 within a topic, as real headlines of one section have.
        noise = chance.normal(size=(size, 384)) / np.sqrt(384)
        vectors = centres[topics] * 1.1 + noise
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        makers = chance.zipf(1.4, size=size) % SOURCES
        items, embeddings = [], []
        for row in range(size):
            at = now - span * (count - start - row)
            item = UUID(int=floor_of(at).int | chance.integers(2**62).item())
            kind = KINDS[(start + row) % len(KINDS)]
            source = sources[makers[row]]
            topic = f"topic {topics[row]}"
            text = f"Item {start + row} about {topic}. " + "It says a little more than that. " * 6
            items.append(
                (item, kind, source, topic, "en", f"About {topic}", text,
                 f"https://example.test/{item}", item, None, at, at)
            )  # fmt: skip
            embeddings.append((item, EMBEDDING_MODEL, kind, source, at, vectors[row]))
        yield items, embeddings


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
