"""The demo content: loaded once, dated anew, and removed without a trace."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from jobs.ingest.demo import A_MOMENT, load
from server import comments, demo, items, sources, users
from server.kernel.database import Db
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.sources import NewSource
from server.users import NewUser

pytestmark = pytest.mark.anyio
TABLES = (
    "content.items",
    "content.sources",
    "content.item_identity",
    "content.item_embeddings",
    "content.comments",
    "content.media",
    "content.users",
    "engage.likes",
    "engage.counter_delta",
    "engage.item_counters",
    "engage.notifications",
)


async def counts(db: Db) -> dict[str, int]:
    return {
        table: (await db.execute(text(f"select count(*) from {table}"))).scalar_one()  # noqa: S608
        for table in TABLES
    }


async def test_it_is_alive_and_the_newest_of_it_is_a_moment_old(services: Services) -> None:
    await load(services, demo.LoadDemo())

    now = services.clock.now()
    async with services.database.read() as db:
        found = await items.by_ids(db, await items.of_sources(db, await sources.demo_ids(db)))
        tables = await counts(db)
    newest = max(each.published_at for each in found.values())
    assert timedelta() < now - newest < A_MOMENT + timedelta(seconds=30)
    assert {each.kind for each in found.values()} == {"ARTICLE", "TWEET", "COMMENT"}
    assert len([each for each in found.values() if each.kind == "ARTICLE"]) >= 60
    assert tables["content.comments"] == len([e for e in found.values() if e.kind == "COMMENT"])
    assert tables["engage.likes"] > 50
    assert all(each.author_id for each in found.values() if each.kind == "COMMENT")


async def test_loading_it_again_adds_nothing(services: Services) -> None:
    await load(services, demo.LoadDemo())
    async with services.database.read() as db:
        before = await counts(db)
    await load(services, demo.LoadDemo())
    async with services.database.read() as db:
        assert await counts(db) == before


async def test_nobody_can_sign_in_as_one_of_its_people(services: Services) -> None:
    await load(services, demo.LoadDemo())
    async with services.database.read() as db:
        people = await users.of_domain(db, demo.DOMAIN)
        first = (await users.by_ids(db, people))[people[0]]
        known = await users.credentials(db, first.username)
    assert len(people) >= 15
    assert known is not None
    assert known.password_hash is None


async def test_removing_it_leaves_what_is_not_of_it_and_nothing_else(services: Services) -> None:
    house = Viewer(role="admin")
    new = NewUser(username="reader", email="reader@example.org", password_hash=None)
    async with services.database.begin() as db:
        await sources.add(
            db, house, NewSource(url="https://paper.example/feed"), services.clock.now()
        )
        reader = await users.create(db, house, new)
        before = await counts(db)
    await load(services, demo.LoadDemo())
    async with services.write() as db:
        about = (await items.of_sources(db, await sources.demo_ids(db)))[0]
        await comments.create(
            db, Viewer(reader.id, "user"), about, comments.Draft(body="Well."), services.clock.now()
        )

    said = await demo.remove(services)

    async with services.database.read() as db:
        assert await counts(db) == before
    assert "removed" in said
