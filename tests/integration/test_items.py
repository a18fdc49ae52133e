"""Items in a real database: stored once, edited, answered, retracted, embedded, near."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import text

from server import items, sources
from server.kernel.database import Database
from server.kernel.viewer import Viewer

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC)
ADMIN = Viewer(UUID(int=1), "admin")
MODEL = "a-model"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool=5)
    yield database
    await database.close()


@pytest.fixture
async def source(database: Database) -> sources.Source:
    async with database.begin() as db:
        return await sources.add(
            db, ADMIN, sources.NewSource(url="https://paper.example/feed"), NOW
        )


def digest(of: str) -> bytes:
    return hashlib.sha256(of.encode()).digest()


def entry(name: str, **more: Any) -> items.Entry:
    values = {
        "digest": digest(name),
        "content_digest": digest(name + "content"),
        "url_digest": digest("url" + name),
        "kind": "ARTICLE",
        "title": name,
        "body_text": f"About {name}.",
        "published_at": NOW - timedelta(hours=1),
    }
    return items.Entry(**(values | more))


async def take_in(
    database: Database, source: sources.Source, *entries: items.Entry
) -> items.Stored:
    async with database.begin() as db:
        return await items.take_in(db, source.id, entries, NOW)


async def topics(database: Database) -> list[str]:
    async with database.read() as db:
        rows = await db.execute(text("select topic from ops.outbox order by id"))
        return [topic for topic in rows.scalars() if topic.startswith("item.")]


async def test_the_same_entries_twice_add_nothing_twice(
    database: Database, source: sources.Source
) -> None:
    first = await take_in(database, source, entry("a"), entry("b"), entry("a"))
    again = await take_in(database, source, entry("b"), entry("a"))

    assert len(first.new) == 2
    assert again == items.Stored()
    assert await topics(database) == ["item.published"]


async def test_an_edit_changes_the_item_and_wants_a_new_embedding(
    database: Database, source: sources.Source
) -> None:
    stored = await take_in(database, source, entry("a"))
    async with database.begin() as db:
        await items.save_embeddings(
            db, MODEL, [items.Embedding(stored.new[0], None, np.ones(384).tolist())], NOW
        )
    edited = await take_in(
        database, source, entry("a", content_digest=digest("new"), title="Corrected")
    )

    async with database.read() as db:
        item = (await items.by_ids(db, stored.new))[stored.new[0]]
        lacking = await items.missing_embeddings(
            db, MODEL, NOW + timedelta(hours=1), back=timedelta(days=1)
        )
    assert edited.edited == stored.new
    assert item.title == "Corrected"
    assert item.edited_at == NOW
    assert lacking == list(stored.new)


async def test_an_embedding_of_the_text_before_an_edit_is_not_kept(
    database: Database, source: sources.Source
) -> None:
    stored = await take_in(database, source, entry("a"))
    async with database.begin() as db:
        (before,) = await items.texts_to_embed(db, MODEL, stored.new)
    await take_in(database, source, entry("a", content_digest=digest("new"), title="Corrected"))
    async with database.begin() as db:
        late = items.Embedding(before.id, before.edited_at, np.ones(384).tolist())
        assert await items.save_embeddings(db, MODEL, [late], NOW) == []


async def test_what_was_retracted_does_not_come_back(
    database: Database, source: sources.Source
) -> None:
    stored = await take_in(database, source, entry("a"))
    async with database.begin() as db:
        assert await items.retract(db, ADMIN, stored.new) == list(stored.new)
    again = await take_in(database, source, entry("a", content_digest=digest("other")))

    assert again == items.Stored()
    async with database.begin() as db:
        assert await items.retract(db, ADMIN, stored.new) == []
    assert await topics(database) == ["item.published", "item.retracted"]


async def test_another_persons_item_cannot_be_retracted(
    database: Database, source: sources.Source
) -> None:
    stored = await take_in(database, source, entry("a"))
    async with database.begin() as db:
        assert await items.retract(db, Viewer(UUID(int=7), "user"), stored.new) == []


async def test_two_sources_with_one_link_tell_one_story(
    database: Database, source: sources.Source
) -> None:
    async with database.begin() as db:
        other = await sources.add(
            db, ADMIN, sources.NewSource(url="https://copy.example/feed"), NOW
        )
    first = await take_in(database, source, entry("a"))
    second = await take_in(database, other, entry("copy", url_digest=digest("urla")))

    async with database.read() as db:
        found = await items.by_ids(db, (*first.new, *second.new))
    assert {each.story_id for each in found.values()} == {first.new[0]}


async def test_answers_find_what_they_answer_and_its_thread(
    database: Database, source: sources.Source
) -> None:
    article = await take_in(database, source, entry("a"))
    reply = entry("reply", answers=items.Answers(digest("a")))
    deeper = entry(
        "deeper",
        answers=items.Answers(digest("reply")),
        published_at=NOW - timedelta(hours=2),
    )
    lost = entry("lost", kind="TWEET", answers=items.Answers(digest("nowhere")))
    stored = await take_in(database, source, deeper, lost, reply)

    first, second = stored.answers
    async with database.read() as db:
        found = await items.by_ids(db, stored.new)
    assert (first.target_id, first.parent_id) == (article.new[0], None)
    assert (second.target_id, second.parent_id) == (article.new[0], first.id)
    assert found[first.id].kind == found[second.id].kind == "COMMENT"
    assert sorted(each.kind for each in found.values()) == ["COMMENT", "COMMENT", "TWEET"]


async def test_a_date_in_the_future_lifts_nothing(
    database: Database, source: sources.Source
) -> None:
    stored = await take_in(database, source, entry("a", published_at=NOW + timedelta(days=400)))
    async with database.read() as db:
        item = (await items.by_ids(db, stored.new))[stored.new[0]]
    assert item.sort_at == NOW


async def test_what_is_near_comes_nearest_first_for_every_item_asked_for(
    database: Database, source: sources.Source
) -> None:
    stored = await take_in(database, source, *(entry(str(n)) for n in range(12)))
    angles = np.linspace(0, 1.1, 12)
    vectors = np.zeros((12, 384))
    vectors[:, 0], vectors[:, 1] = np.cos(angles), np.sin(angles)
    async with database.begin() as db:
        saved = await items.save_embeddings(
            db,
            MODEL,
            [
                items.Embedding(item_id, None, vector.tolist())
                for item_id, vector in zip(stored.new, vectors, strict=True)
            ],
            NOW,
        )
    async with database.read() as db:
        near = await items.near(
            db, MODEL, [stored.new[0], stored.new[11]], since=NOW - timedelta(days=1), most=3
        )
        pool = await items.listed(
            db, kinds=["ARTICLE"], since=NOW - timedelta(days=1), limit=100, model=MODEL
        )

    assert sorted(saved) == sorted(stored.new)
    assert [each.item.id for each in near[stored.new[0]]] == list(stored.new[1:4])
    assert [each.item.id for each in near[stored.new[11]]] == list(stored.new[10:7:-1])
    assert near[stored.new[0]][0].similarity == pytest.approx(np.cos(0.1), abs=1e-3)
    pairs = items.cosines([each.packed for each in near[stored.new[0]]])
    assert pairs[0, 2] == pytest.approx(np.cos(0.2), abs=1e-2)
    assert [each.id for each in pool] == list(reversed(stored.new))


async def test_pages_of_items_go_on_where_the_last_one_ended(
    database: Database, source: sources.Source
) -> None:
    stored = await take_in(database, source, *(entry(str(n)) for n in range(5)))
    since = NOW - timedelta(days=1)
    async with database.read() as db:
        first = await items.listed(db, kinds=["ARTICLE"], since=since, limit=3)
        rest = await items.listed(
            db, kinds=["ARTICLE"], since=since, limit=3, before=(first[-1].sort_at, first[-1].id)
        )
    assert [each.id for each in (*first, *rest)] == list(reversed(stored.new))


async def test_removed_items_leave_nothing(database: Database, source: sources.Source) -> None:
    stored = await take_in(database, source, entry("a"))
    async with database.begin() as db:
        await items.remove(db, stored.new)
        assert await items.by_ids(db, stored.new) == {}
    assert len((await take_in(database, source, entry("a"))).new) == 1
