"""What an editor may paste: the address of a feed, of a page, of a site; looked at or added."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text

from jobs.ingest import desk
from jobs.ingest.preview import preview
from jobs.ingest.refresh import refresh
from jobs.ingest.turns import Pace
from server import items, sources
from server.kernel.problems import NotAllowed
from server.kernel.services import Services
from server.kernel.viewer import VISITOR, Viewer
from server.sources import NewSource, Preview, PreviewSource, RefreshSource, Source
from tests.pages import Answer, Asked, Pages, item, rss, serving

pytestmark = pytest.mark.anyio
HOUSE = Viewer(role="admin")
SENTENCE = "The river rose over the bridge in the night and the trams had to wait for hours. "
FEED = rss(item("a"), item("b"))


@pytest.fixture(autouse=True)
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "PACE", Pace(spacing_seconds=0.001, burst=100))


@pytest.fixture
def pages() -> Iterator[Pages]:
    with serving() as opened:
        yield opened


def article(title: str, *, links: str = "") -> bytes:
    return (
        f"<!doctype html><html lang='en'><head><title>{title}</title>{links}</head><body><article>"
        f"<h1>{title}</h1><p>{title} is it. {SENTENCE * 3}</p><p>{SENTENCE * 3}</p></article>"
        "</body></html>"
    ).encode()


async def added(services: Services, url: str) -> Source:
    async with services.write() as db:
        return await sources.add(db, HOUSE, NewSource(url=url), services.clock.now())


async def refreshed(services: Services, source: Source) -> Source:
    await refresh(services, RefreshSource(source.id))
    async with services.database.read() as db:
        return (await sources.by_ids(db, [source.id]))[source.id]


async def titles(services: Services, source: Source) -> set[str | None]:
    async with services.database.read() as db:
        found = await items.by_ids(db, await items.of_sources(db, [source.id]))
    return {each.title for each in found.values()}


async def looked_at(services: Services, url: str) -> Preview:
    async with services.write() as db:
        asked = await sources.ask_preview(db, HOUSE, url)
    await preview(services, PreviewSource(asked))
    async with services.database.read() as db:
        found = await sources.preview(db, HOUSE, asked)
    assert found is not None
    return found


async def test_the_feed_that_a_page_names_is_found_and_asked_from_then_on(
    services: Services, pages: Pages
) -> None:
    link = "<link rel='alternate' type='application/rss+xml' href='/news.xml'>"
    url = pages.put("/", article("Paper", links=link))
    pages.put("/news.xml", FEED)
    source = await refreshed(services, await added(services, url))
    await refreshed(services, source)

    assert (source.url, source.kind, source.title) == (pages.url + "/news.xml", "feed", "Paper")
    assert await titles(services, source) == {"a", "b"}
    assert [each.path for each in pages.asked] == ["/", "/news.xml", "/news.xml"]


async def test_a_feed_that_no_page_names_is_found_where_feeds_use_to_be(
    services: Services, pages: Pages
) -> None:
    url = pages.put("/", b"<!doctype html><html><body>Welcome</body></html>")
    pages.put("/rss.xml", FEED)
    source = await refreshed(services, await added(services, url))

    assert source.url == pages.url + "/rss.xml"


async def test_a_site_without_a_feed_is_read_by_its_sitemap_politely_page_by_page(
    services: Services, pages: Pages
) -> None:
    url = pages.put("/", b"<!doctype html><html><body>Welcome</body></html>")
    pages.put(
        "/robots.txt", f"User-agent: *\nDisallow: /secret\nSitemap: {pages.url}/s.xml".encode()
    )
    listed = "".join(f"<url><loc>{pages.url}/{n}</loc></url>" for n in ("one", "two", "secret"))
    pages.put("/s.xml", f"<urlset>{listed}</urlset>".encode())
    for name in ("one", "two", "secret"):
        pages.put(f"/{name}", article(name.title()))
    source = await refreshed(services, await added(services, url))

    assert (source.kind, source.url) == ("sitemap", pages.url + "/s.xml")
    assert await titles(services, source) == {"One", "Two"}
    before = len(pages.asked)
    await refreshed(services, source)
    # What is known, and what we may not have, is not asked for again.
    assert [each.path for each in pages.asked[before:]] == ["/s.xml"]
    assert "/secret" not in {each.path for each in pages.asked}


async def test_a_page_with_an_article_and_no_feed_is_a_source_of_one_item_that_is_edited(
    services: Services, pages: Pages
) -> None:
    url = pages.put("/river", article("River rises"))
    source = await refreshed(services, await added(services, url))
    assert (source.kind, source.url) == ("page", url)
    pages.put("/river", article("River rises").replace(b"rose over", b"sank below"))
    await refreshed(services, source)

    async with services.database.read() as db:
        (found,) = (await items.by_ids(db, await items.of_sources(db, [source.id]))).values()
    assert found.title == "River rises"
    assert "sank below" in found.body_text
    assert found.edited_at is not None


async def test_a_page_that_robots_may_not_have_is_no_source(
    services: Services, pages: Pages
) -> None:
    pages.put("/robots.txt", b"User-agent: Lumen\nDisallow: /\n")
    source = await refreshed(services, await added(services, pages.put("/a", article("A"))))

    assert "robots.txt" in (source.last_error or "")
    assert await titles(services, source) == set()


async def test_a_host_whose_rules_cannot_be_had_is_left_alone(
    services: Services, pages: Pages
) -> None:
    pages.put("/robots.txt", Answer(status=500))
    source = await refreshed(services, await added(services, pages.put("/a", article("A"))))

    assert "robots.txt" in (source.last_error or "")


async def test_an_address_is_looked_at_without_keeping_anything(
    services: Services, pages: Pages
) -> None:
    link = "<link rel='alternate' type='application/rss+xml' href='/news.xml'>"
    pages.put("/news.xml", FEED)
    found = await looked_at(services, pages.put("/", article("Paper", links=link)))
    broken = await looked_at(services, pages.put("/none", Answer(status=404)))

    assert (found.url, found.kind, found.title) == (pages.url + "/news.xml", "feed", "Paper")
    assert [each.title for each in found.entries] == ["a", "b"]
    assert (found.count, found.error) == (2, None)
    assert "404" in (broken.error or "")
    async with services.database.read() as db:
        assert await sources.page(db, HOUSE) == []
        with pytest.raises(NotAllowed):
            await sources.ask_preview(db, VISITOR, "https://a.example/")


async def test_an_address_that_moved_for_good_twice_is_asked_where_it_is_now(
    services: Services, pages: Pages
) -> None:
    pages.put("/there", FEED)
    moved = Answer(status=301, headers={"location": "/there"})
    once = Answer(status=302, headers={"location": "/there"})
    source = await added(services, pages.put("/here", FEED))
    await refreshed(services, source)
    seen = []
    for answer in (moved, once, moved, moved):
        pages.put("/here", answer)
        seen.append((await refreshed(services, source)).url.rpartition("/")[2])

    assert seen == ["here", "here", "here", "there"]


async def test_a_source_that_moves_to_where_another_is_is_retired(
    services: Services, pages: Pages
) -> None:
    await refreshed(services, await added(services, pages.put("/there", FEED)))
    source = await added(services, pages.put("/here", FEED))
    await refreshed(services, source)
    pages.put("/here", Answer(status=308, headers={"location": "/there"}))
    await refreshed(services, source)
    after = await refreshed(services, source)

    assert not after.enabled
    assert "which is a source already" in (after.notice or "")


async def test_a_source_that_is_gone_is_retired_with_a_notice_until_it_is_wanted_again(
    services: Services, pages: Pages
) -> None:
    source = await added(services, pages.put("/feed", FEED))
    await refreshed(services, source)
    pages.put("/feed", Answer(status=410))
    gone = await refreshed(services, source)
    later = services.clock.now() + timedelta(days=9)
    async with services.database.read() as db:
        assert await sources.due(db, later) == []
        topics = (await db.execute(text("select topic from ops.outbox"))).scalars().all()
    pages.put("/feed", FEED)
    async with services.write() as db:
        await sources.refresh(db, HOUSE, source.id, services.clock.now())
    back = await refreshed(services, source)

    assert (gone.enabled, "410" in (gone.notice or "")) == (False, True)
    assert "source.retired" in topics
    assert (back.enabled, back.notice, back.last_error) == (True, None, None)


async def test_what_is_not_to_be_kept_is_not_asked_for_by_its_tag(
    services: Services, pages: Pages
) -> None:
    headers = {"etag": '"1"', "last-modified": "Thu, 19 Nov 2026 10:00:00 GMT"}
    source = await added(services, pages.put("/feed", Answer(FEED, headers=headers)))
    for more in ({}, {"expires": "0"}, {"cache-control": "no-store"}, {}):
        pages.put("/feed", Answer(FEED, headers=headers | more))
        await refreshed(services, source)
    await refreshed(services, source)

    assert ["if-none-match" in each.headers for each in pages.asked] == [
        False, True, False, False, True,
    ]  # fmt: skip


async def test_a_tag_that_comes_with_not_modified_is_the_one_to_ask_with(
    services: Services, pages: Pages
) -> None:
    asked: list[str | None] = []

    def page(each: Asked) -> Answer:
        asked.append(each.headers.get("if-none-match"))
        tag = {"etag": f'"{len(asked)}"'}
        return Answer(FEED, headers=tag) if len(asked) == 1 else Answer(status=304, headers=tag)

    source = await added(services, pages.put("/feed", page))
    for _ in range(3):
        await refreshed(services, source)

    assert asked == [None, '"1"', '"2"']


async def test_the_door_for_editors_is_closed_to_others(client: httpx2.AsyncClient) -> None:
    some = UUID(int=1)
    for answer in (
        await client.post("/sources/preview", json={"url": "https://a.example/"}),
        await client.get(f"/sources/preview/{some}"),
        await client.get("/sources/opml"),
        await client.get(f"/sources/{some}/health"),
    ):
        assert answer.status_code == 401
