"""One story told by several sources is shown once; its stages are stamped; its picture is kept."""

from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from uuid import UUID

import httpx2
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import text

from jobs.ingest import desk
from jobs.ingest.pictures import keep
from jobs.ingest.refresh import refresh
from jobs.ingest.turns import Pace
from server import display, items, sources
from server.feed import reactions
from server.items import EMBEDDING_MODEL, Embedding, KeepPicture
from server.items.events import ItemsEdited, ItemsEmbedded
from server.kernel.services import Services
from server.kernel.viewer import VISITOR, Viewer
from server.sources import NewSource, RefreshSource, Source
from tests.pages import Answer, Pages, item, rss, serving

pytestmark = pytest.mark.anyio
HOUSE = Viewer(role="admin")
TITLE = "River rises over the old bridge"


class Screens:
    """Remembers what open screens are told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, object]] = []

    async def broadcast(self, topic: str, event: str, payload: object) -> None:
        self.told.append((topic, event, payload))


@pytest.fixture(autouse=True)
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "PACE", Pace(spacing_seconds=0.001, burst=100))


@pytest.fixture
def pages() -> Iterator[Pages]:
    with serving() as opened:
        yield opened


async def source_of(services: Services, url: str) -> Source:
    async with services.write() as db:
        source = await sources.add(db, HOUSE, NewSource(url=url), services.clock.now())
    await refresh(services, RefreshSource(source.id))
    return source


async def stored(services: Services, source: Source) -> dict[str | None, items.StoredItem]:
    async with services.database.read() as db:
        found = await items.by_ids(db, await items.of_sources(db, [source.id]))
    return {each.title: each for each in found.values()}


async def embed(services: Services, item_id: UUID, *, angle: float = 0.0) -> None:
    vector = np.zeros(384)
    vector[0], vector[1] = np.cos(angle), np.sin(angle)
    async with services.write() as db:
        given = [Embedding(item_id, None, vector.tolist())]
        await items.save_embeddings(db, EMBEDDING_MODEL, given, services.clock.now())


async def test_near_duplicates_of_several_sources_become_one_story_and_one_piece_of_news(
    services: Services, pages: Pages
) -> None:
    one = await source_of(services, pages.put("/1", rss(item(TITLE))))
    two = await source_of(services, pages.put("/2", rss(item(f"{TITLE} again"))))
    far = await source_of(services, pages.put("/3", rss(item("Bakers strike over the price"))))
    first = (await stored(services, one))[TITLE]
    second = (await stored(services, two))[f"{TITLE} again"]
    other = (await stored(services, far))["Bakers strike over the price"]
    await embed(services, first.id)
    await embed(services, second.id, angle=0.5)
    await embed(services, other.id, angle=-0.5)

    async with services.database.read() as db:
        found = await items.by_ids(db, [first.id, second.id, other.id])
        told = await items.stories_of(db, [first.id])
    assert found[second.id].story_id == first.id
    assert found[other.id].story_id == other.id
    assert (told[first.id].item_count, told[first.id].source_count) == (2, 2)
    assert told[first.id].title == TITLE

    screens = Screens()
    async with services.write() as db:
        event = ItemsEmbedded([first.id, second.id, other.id])
        await reactions.tell_fresh(services.with_publisher(screens), db, event)
    (fresh,) = [payload for topic, _, payload in screens.told if topic == "feed:news"]
    assert set(fresh.ids) == {first.id, other.id}  # type: ignore[attr-defined]


async def test_one_link_in_two_sources_is_one_story_however_it_is_written(
    services: Services, pages: Pages
) -> None:
    links = ("https://www.paper.example/a?utm_source=x", "http://paper.example/a/")
    told = []
    for n, link in enumerate(links):
        feed = rss(item(f"Words {n}", link=link))
        source = await source_of(services, pages.put(f"/{n}", feed))
        told += (await stored(services, source)).values()
    async with services.database.read() as db:
        story = await items.stories_of(db, [told[0].id])

    assert {each.story_id for each in told} == {told[0].id}
    assert story[told[0].id].source_count == 2


@pytest.mark.row("V-45")
async def test_every_stage_on_the_way_to_a_screen_is_stamped_and_shown(
    services: Services, pages: Pages
) -> None:
    source = await source_of(services, pages.put("/1", rss(item("old"))))
    when = (services.clock.now() - timedelta(minutes=3)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    pages.put("/1", rss(item("old"), item("new", pubDate=when)))
    await refresh(services, RefreshSource(source.id))
    new = (await stored(services, source))["new"]
    await embed(services, new.id)
    async with services.write() as db:
        told = services.with_publisher(Screens())
        await reactions.tell_fresh(told, db, ItemsEmbedded([new.id]))
    for _ in range(2):
        async with services.write() as db:
            await items.shown(db, [new.id], services.clock.now())

    async with services.database.read() as db:
        health = await items.health_of(db, HOUSE, source.id, services.clock.now())
        rows = (await db.execute(text("select * from content.item_stages"))).mappings().all()
    # What was there when the source was added was not waited for.
    (row,) = rows
    order = ["published", "fetched", "stored", "embedded", "told", "shown"]
    stamps = [row[f"{name}_at"] for name in order]
    assert stamps == sorted(stamps)
    passed = {each.stage: each for each in health.stages}
    assert [each.count for each in passed.values()] == [1] * 6
    assert 170 < (passed["fetched"].p95 or 0) < 300
    assert (passed["whole"].p95 or 0) >= (passed["fetched"].p95 or 0)
    assert [each.outcome for each in health.fetches] == ["taken", "taken"]
    assert [each.new_items for each in health.fetches] == [1, 1]


async def test_an_edit_reaches_open_screens_and_the_counters_stay(
    services: Services, pages: Pages
) -> None:
    source = await source_of(services, pages.put("/1", rss(item("a"))))
    before = (await stored(services, source))["a"]
    pages.put("/1", rss(item("a", "It was otherwise.")))
    await refresh(services, RefreshSource(source.id))
    screens = Screens()
    async with services.write() as db:
        told = services.with_publisher(screens)
        await reactions.tell_edited(told, db, ItemsEdited([before.id]))

    assert {(topic, event) for topic, event, _ in screens.told} >= {
        ("feed:news", "edited"),
        ("feed:foryou", "edited"),
        (f"item:{before.id}", "edited"),
    }
    (shown,) = screens.told[-1][2].items  # type: ignore[attr-defined]
    assert (shown.id, shown.body_text) == (before.id, "It was otherwise.")
    assert shown.counts.likes == 0


async def test_a_picture_is_fetched_once_and_shown_from_our_own_storage(
    services: Services, pages: Pages
) -> None:
    out = BytesIO()
    Image.new("RGB", (800, 600), "teal").save(out, "PNG")
    picture = pages.put("/p.png", Answer(out.getvalue(), headers={"content-type": "image/png"}))
    enclosure = f"<enclosure url='{picture}' type='image/png'/>"
    feed = rss(
        *(item(name).replace("</item>", f"{enclosure}</item>") for name in ("a", "b"))
    ).replace(b"<channel>", b"<channel><copyright>CC BY 4.0</copyright>")
    source = await source_of(services, pages.put("/1", feed))
    found = await stored(services, source)
    async with services.database.read() as db:
        due = await items.pictures_due(db, services.clock.now(), 10)
    assert set(due) == {each.id for each in found.values()}
    for each in due:
        await keep(services, KeepPicture(each))

    kept = await stored(services, source)
    assert kept["a"].image_key == kept["b"].image_key
    assert kept["a"].image_url == picture
    assert await services.storage.exists(kept["a"].image_key or "")
    assert [each.path for each in pages.asked].count("/p.png") == 1
    async with services.database.read() as db:
        shown = await display.show(db, VISITOR, [kept["a"].id], services.storage)
        licences = (await db.execute(text("select licence from content.pictures"))).scalars().all()
        assert await items.pictures_due(db, services.clock.now(), 10) == []
    assert "pictures/" in (shown[kept["a"].id].image_url or "")
    assert set(licences) == {"CC BY 4.0"}


async def test_a_picture_that_is_none_is_tried_a_few_times_and_given_up(
    services: Services, pages: Pages
) -> None:
    picture = pages.put("/p.png", b"<html>no picture</html>")
    feed = rss(
        item("a").replace("</item>", f"<enclosure url='{picture}' type='image/png'/></item>")
    )
    source = await source_of(services, pages.put("/1", feed))
    (one,) = (await stored(services, source)).values()
    for _ in range(items.MOST_PICTURE_ATTEMPTS + 2):
        await keep(services, KeepPicture(one.id))
    async with services.database.read() as db:
        row = (await db.execute(text("select state, error, attempts from content.pictures"))).one()

    assert row.state == "failed"
    assert row.attempts == items.MOST_PICTURE_ATTEMPTS
    assert "no picture" in row.error


async def test_health_is_read_over_http_by_an_admin_only(client: httpx2.AsyncClient) -> None:
    assert (await client.get(f"/sources/{UUID(int=1)}/health")).status_code == 401
