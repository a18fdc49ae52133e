"""A small newsroom for tests: sources, items of four kinds with vectors by topic, cards."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text

from server.items import EMBEDDING_MODEL
from server.kernel.database import Database, Db
from server.kernel.ids import new_id

TOPICS = ("science", "sport", "arts", "cities", "climate", "food")
_KINDS = ("ARTICLE", "TWEET", "ARTICLE", "COMMENT", "ARTICLE", "TWEET")


_SOURCE = text("insert into content.sources (id, url, title) values (:id, :url, :title)")
_ITEM = text(
    """
    insert into content.items
      (id, kind, source_id, category, title, body_text, url, story_id, target_id,
       published_at, first_seen_at)
    values (:id, :kind, :source, :category, :title, :body, :url, :id, :target, :at, :at)
    """
)
_EMBEDDING = text(
    """
    insert into content.item_embeddings (item_id, model, kind, source_id, sort_at, embedding)
    values (:id, :model, :kind, :source, :at, cast(:vector as halfvec))
    """
)


async def fill(database: Database, items: int = 120, *, sources: int = 8) -> list[UUID]:
    """Store items, newest last, with embeddings that lie near those of the same topic."""
    now = datetime.now(UTC)
    async with database.begin() as db:
        source_ids = [await add_source(db, number) for number in range(sources)]
        rows = [
            _row(
                kind=_KINDS[number // len(TOPICS) % len(_KINDS)],
                source=source_ids[(number * 5) % sources],
                topic=number % len(TOPICS),
                at=now - timedelta(minutes=items - number),
                number=number,
            )
            for number in range(items)
        ]
        await db.execute(_ITEM, rows)
        await db.execute(_EMBEDDING, rows)
    return [row["id"] for row in rows]


async def add_source(db: Db, number: int) -> UUID:
    """Store a source."""
    source = new_id()
    url = f"https://{number}.example/feed"
    await db.execute(_SOURCE, {"id": source, "url": url, "title": f"Source {number}"})
    return source


async def add_item(
    db: Db, *, kind: str, source: UUID, topic: int, at: datetime, number: int = 0
) -> UUID:
    """Store an item with its embedding."""
    row = _row(kind=kind, source=source, topic=topic, at=at, number=number)
    await db.execute(_ITEM, row)
    await db.execute(_EMBEDDING, row)
    item: UUID = row["id"]
    return item


def _row(*, kind: str, source: UUID, topic: int, at: datetime, number: int) -> dict[str, Any]:
    item = new_id()
    return {
        "id": item,
        "kind": kind,
        "source": source,
        "category": TOPICS[topic],
        "title": f"{TOPICS[topic]} {number}" if kind == "ARTICLE" else None,
        "body": f"Words about {TOPICS[topic]}, number {number}.",
        "url": f"https://example.test/{item}",
        "target": new_id() if kind == "COMMENT" else None,
        "at": at,
        "model": EMBEDDING_MODEL,
        "vector": str(vector(topic, number)),
    }


def vector(topic: int, number: int) -> list[float]:
    """A unit vector with a cosine of about 0.6 to others of its topic."""
    noise = np.random.default_rng(number).normal(size=384)
    noise /= np.linalg.norm(noise)
    centre = np.zeros(384)
    centre[topic] = 1.25
    made = centre + noise
    return [round(float(value), 5) for value in made / np.linalg.norm(made)]


async def add_cards(db: Db, ids: Sequence[UUID], state: str = "poster") -> None:
    """Give items a card that is so far."""
    for item in ids:
        await db.execute(
            text(
                """
                insert into content.media
                  (id, item_id, profile, input_digest, state, poster_key, video_key, duration_sec)
                values (:id, :item, 'card-720-v1', 'none', :state, :poster, :video, :seconds)
                on conflict (item_id, profile) do update set state = excluded.state,
                  video_key = excluded.video_key, duration_sec = excluded.duration_sec
                """
            ),
            {
                "id": new_id(),
                "item": item,
                "state": state,
                "poster": f"cards/{item}.jpg",
                "video": f"cards/{item}.mp4" if state == "ready" else None,
                "seconds": 7.0 if state == "ready" else None,
            },
        )
