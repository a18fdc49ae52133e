"""The embedding job on real stores: vectors and the word of them, together and once."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from jobs.embed import job as embedding
from jobs.embed.engine import MODEL
from server import items, sources
from server.items.events import ItemsEmbedded
from server.kernel.services import Services
from server.kernel.viewer import Viewer

pytestmark = pytest.mark.anyio
ADMIN = Viewer(UUID(int=1), "admin")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def engine(models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The engine that a worker would load, with its graph in a folder of the tests."""
    monkeypatch.setenv("LUMEN_HOME", str(models))
    embedding._engine.cache_clear()
    yield
    embedding._engine.cache_clear()


async def stored(services: Services, *titles: str) -> list[UUID]:
    now = datetime.now(UTC)
    async with services.write() as db:
        source = await sources.add(
            db, ADMIN, sources.NewSource(url=f"https://{uuid4()}.example/feed"), now
        )
        names = [uuid4().bytes * 2 for _ in titles]
        taken = await items.take_in(
            db,
            source.id,
            [
                items.Entry(
                    digest=name,
                    content_digest=name,
                    kind="ARTICLE",
                    title=title,
                    published_at=now,
                )
                for name, title in zip(names, titles, strict=True)
            ],
            now,
        )
    return list(taken.new)


async def embedded(services: Services) -> list[str]:
    async with services.database.read() as db:
        rows = await db.execute(
            text("select item_id::text from content.item_embeddings where model = :model"),
            {"model": MODEL},
        )
        return sorted(rows.scalars())


async def told(services: Services) -> int:
    async with services.database.read() as db:
        rows = await db.execute(
            text("select count(*) from ops.outbox where topic = :topic"),
            {"topic": ItemsEmbedded.topic},
        )
        return int(rows.scalar_one())


async def test_items_get_vectors_that_find_what_is_alike(services: Services) -> None:
    ids = await stored(
        services, "The old weir is gone", "Weir removed after a century", "A record in the rain"
    )
    await embedding.embed(services, items.EmbedItems(ids))
    assert await embedded(services) == sorted(map(str, ids))
    assert await told(services) == 1
    async with services.database.read() as db:
        near = await items.near(db, MODEL, ids, since=datetime(2000, 1, 1, tzinfo=UTC), most=2)
        titles = {each.id: each.title for each in (await items.by_ids(db, ids)).values()}
    nearest = {titles[item_id]: titles[found[0].item.id] for item_id, found in near.items()}
    assert nearest["The old weir is gone"] == "Weir removed after a century"


async def test_the_job_twice_leaves_one_vector(services: Services) -> None:
    ids = await stored(services, "The old weir is gone")
    for _ in range(2):
        await embedding.embed(services, items.EmbedItems(ids))
    assert await embedded(services) == list(map(str, ids))


async def test_items_that_are_gone_are_left_out(services: Services) -> None:
    ids = await stored(services, "The old weir is gone", "A record in the rain")
    async with services.write() as db:
        await items.retract(db, ADMIN, ids[:1])
    await embedding.embed(services, items.EmbedItems([*ids, uuid4()]))
    assert await embedded(services) == [str(ids[1])]


async def test_nothing_to_embed_is_no_event(services: Services) -> None:
    await embedding.embed(services, items.EmbedItems([uuid4()]))
    assert await told(services) == 0
