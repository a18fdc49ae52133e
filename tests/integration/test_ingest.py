"""From a source's address to items, over a real network of one machine."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from jobs.ingest import desk
from jobs.ingest.answers import NotFetched, Page
from jobs.ingest.fetch import Ask, Fetcher
from jobs.ingest.refresh import refresh, take_in
from jobs.ingest.turns import Pace, Turns
from server import items, sources
from server.kernel.clock import FixedClock
from server.kernel.problems import NotAllowed
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.sources import NewSource, RefreshSource, Source, TakeIn
from tests.pages import Answer, Asked, Pages, item, rss, serving

pytestmark = pytest.mark.anyio
HOUSE = Viewer(role="admin")
FEED = rss(item("a"), item("b"))


@pytest.fixture(autouse=True)
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """One host answers for all that a test asks: politeness has tests of its own."""
    monkeypatch.setattr(desk, "PACE", Pace(spacing_seconds=0.001, burst=100))


@pytest.fixture
def pages() -> Iterator[Pages]:
    with serving() as opened:
        yield opened


async def added(services: Services, url: str) -> Source:
    async with services.write() as db:
        return await sources.add(db, HOUSE, NewSource(url=url), services.clock.now())


async def refreshed(services: Services, source: Source) -> Source:
    """Refresh a source, and see how it stands then."""
    await refresh(services, RefreshSource(source.id))
    async with services.database.read() as db:
        return (await sources.by_ids(db, [source.id]))[source.id]


async def stored(services: Services, source: Source) -> dict[str | None, items.StoredItem]:
    async with services.database.read() as db:
        found = await items.by_ids(db, await items.of_sources(db, [source.id]))
    return {each.title or each.body_text: each for each in found.values()}


async def topics(services: Services) -> list[str]:
    async with services.database.read() as db:
        rows = await db.execute(text("select topic from ops.outbox order by id"))
        return list(rows.scalars())


@pytest.mark.row("L-01")
async def test_a_source_becomes_items_and_says_so(services: Services, pages: Pages) -> None:
    source = await added(services, pages.put("/feed", FEED))
    after = await refreshed(services, source)

    assert set(await stored(services, source)) == {"a", "b"}
    assert (after.title, after.site_url, after.item_count) == ("Paper", "https://paper.example/", 2)
    assert after.last_error is None
    assert after.next_check_at > services.clock.now()
    assert await topics(services) == ["source.due", "item.published"]
    assert pages.asked[0].headers["user-agent"].startswith("Lumen/")


async def test_what_has_not_changed_is_not_sent_again(services: Services, pages: Pages) -> None:
    def page(asked: Asked) -> Answer:
        known = asked.headers.get("if-none-match") == '"1"'
        assert not known or asked.headers["if-modified-since"] == "Thu, 19 Nov 2026 10:00:00 GMT"
        headers = {"etag": '"1"', "last-modified": "Thu, 19 Nov 2026 10:00:00 GMT"}
        return Answer(status=304) if known else Answer(FEED, headers=headers)

    source = await added(services, pages.put("/feed", page))
    await refreshed(services, source)
    after = await refreshed(services, source)

    assert after.last_status == 304
    assert after.item_count == 2
    assert len(pages.asked) == 2


async def test_a_refresh_adds_nothing_twice(services: Services, pages: Pages) -> None:
    source = await added(services, pages.put("/feed", FEED))
    for _ in range(3):
        after = await refreshed(services, source)

    assert after.item_count == 2
    assert len(await stored(services, source)) == 2


async def test_an_edit_reaches_the_item_and_what_is_new_is_added(
    services: Services, pages: Pages
) -> None:
    source = await added(services, pages.put("/feed", FEED))
    await refreshed(services, source)
    pages.put("/feed", rss(item("a", "It was otherwise."), item("b"), item("c")))
    await refreshed(services, source)

    found = await stored(services, source)
    assert set(found) == {"a", "b", "c"}
    assert found["a"].body_text == "It was otherwise."
    assert (await topics(services))[2:] == ["item.published", "item.edited"]


async def test_what_was_taken_down_does_not_come_back(services: Services, pages: Pages) -> None:
    source = await added(services, pages.put("/feed", FEED))
    await refreshed(services, source)
    async with services.write() as db:
        await items.retract(db, HOUSE, [(await stored(services, source))["a"].id])
    await refreshed(services, source)

    states = {name: each.state for name, each in (await stored(services, source)).items()}
    assert states == {"a": "retracted", "b": "live"}


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (Answer(status=404), "404"),
        (Answer(status=500), "500"),
        (Answer(b"<html><body>Hello</body></html>"), "web page, not a feed"),
        (Answer(b""), "empty"),
        (Answer(b'{"a": 1}'), "JSON"),
        (Answer(status=302, headers={"location": "/feed"}), "redirects more than 5 times"),
        (Answer(status=302, headers={"location": "http://10.0.0.1/"}), "not a public address"),
        (Answer(status=302, headers={"location": "http://169.254.169.254/"}), "not a public"),
        (Answer(status=302, headers={"location": "http://[::ffff:10.0.0.1]/"}), "not a public"),
        (Answer(status=302, headers={"location": "file:///etc/passwd"}), "could not be fetched"),
        (Answer(b"x" * 100, headers={"content-encoding": "gzip"}), "could not be fetched"),
        (
            Answer(gzip.compress(b"\0" * 14_000_000), headers={"content-encoding": "gzip"}),
            "larger than",
        ),
    ],
)
async def test_what_cannot_be_read_is_told_in_a_sentence(
    services: Services, pages: Pages, page: Answer, said: str
) -> None:
    source = await added(services, pages.put("/feed", page))
    after = await refreshed(services, source)

    assert after.last_error is not None
    assert said in after.last_error
    assert after.error_count == 1
    assert after.next_check_at > services.clock.now() + timedelta(minutes=4)


async def test_errors_in_a_row_make_it_be_asked_less_often_but_never_not_at_all(
    services: Services, pages: Pages
) -> None:
    services = replace(services, clock=FixedClock(services.clock.now()))
    source = await added(services, pages.put("/feed", Answer(status=500)))
    pauses = []
    for _ in range(12):
        after = await refreshed(services, source)
        pauses.append(after.next_check_at - services.clock.now())
    pages.put("/feed", FEED)
    again = await refreshed(services, source)

    for minutes, pause in zip((5, 10, 20, 40), pauses, strict=False):
        assert 1 <= pause / timedelta(minutes=minutes) <= 1 + sources.JITTER
    assert timedelta(hours=21) < pauses[-1] <= timedelta(hours=24)
    assert (again.error_count, again.last_error, again.item_count) == (0, None, 2)


async def test_a_host_that_asks_for_quiet_gets_it(services: Services, pages: Pages) -> None:
    busy = Answer(status=429, headers={"retry-after": "7200"})
    after = await refreshed(services, await added(services, pages.put("/feed", busy)))

    assert after.next_check_at > services.clock.now() + timedelta(minutes=119)


async def test_without_the_development_setting_loopback_is_refused(
    services: Services, pages: Pages
) -> None:
    fetcher = Fetcher(Turns(services.redis), private=False, public_url=None)
    for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1"):
        url = pages.put("/feed", FEED).replace("127.0.0.1", host)
        found = await fetcher.fetch(Ask(url=url), services.clock.now())
        assert isinstance(found, NotFetched)
        assert "not a public address" in found.reason
    assert pages.asked == []


async def test_packed_and_redirected_it_is_read_all_the_same(
    services: Services, pages: Pages
) -> None:
    packed = Answer(gzip.compress(FEED), headers={"content-encoding": "gzip"})
    pages.put("/there", packed)
    moved = Answer(status=301, headers={"location": "/there"})
    turns = Turns(services.redis)
    fetcher = Fetcher(turns, private=True, public_url="https://lumen.example")
    found = await fetcher.fetch(Ask(url=pages.put("/here", moved)), services.clock.now())

    assert isinstance(found, Page)
    assert found.content == FEED
    assert found.url.endswith("/there")
    assert "+https://lumen.example" in pages.asked[0].headers["user-agent"]


async def test_answers_in_one_source_stand_under_what_another_told(
    services: Services, pages: Pages
) -> None:
    paper = await added(
        services, pages.put("/feed", rss(item("a", link="https://paper.example/a")))
    )
    await refreshed(services, paper)
    talk = await added(services, pages.put("/talk", TALK))
    await refreshed(services, talk)

    article = (await stored(services, paper))["a"]
    said = await stored(services, talk)
    async with services.database.read() as db:
        rows = (
            await db.execute(text("select id, target_id, parent_id from content.comments"))
        ).all()
    assert {each.kind for each in said.values()} == {"COMMENT"}
    assert {(row.id, row.target_id, row.parent_id) for row in rows} == {
        (said["I agree."].id, article.id, None),
        (said["So do I."].id, article.id, said["I agree."].id),
        (said["By link."].id, article.id, None),
    }


def entry(name: str, words: str, answers: str) -> str:
    return (
        f"<entry><id>{name}</id><title/><content>{words}</content>"
        f"<updated>2026-11-19T10:00:00Z</updated><thr:in-reply-to {answers}/></entry>"
    )


TALK = (
    "<feed xmlns='http://www.w3.org/2005/Atom' xmlns:thr='http://purl.org/syndication/thread/1.0'>"
    "<title>Talk</title>"
    + entry("2", "So do I.", "ref='1'")
    + entry("1", "I agree.", "ref='a'")
    + entry("3", "By link.", "ref='unknown' href='https://www.paper.example/a?utm_source=x'")
    + "</feed>"
).encode()


async def test_a_json_feed_is_a_source_like_any_other(services: Services, pages: Pages) -> None:
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Log",
        "items": [{"id": 1, "title": "One", "content_html": "<p>First.</p>"}],
    }
    page = Answer(json.dumps(document).encode(), headers={"content-type": "application/feed+json"})
    source = await added(services, pages.put("/feed.json", page))
    after = await refreshed(services, source)

    assert after.title == "Log"
    assert set(await stored(services, source)) == {"One"}


async def test_a_feed_from_a_file_is_taken_in_and_never_asked_for(services: Services) -> None:
    new = NewSource(url="file:///home/a/feed.xml", title="A file")
    async with services.write() as db:
        source = await sources.add_file(db, HOUSE, new.url, new, FEED, services.clock.now())
    await take_in(services, TakeIn(source.id))
    await refresh(services, RefreshSource(source.id))

    assert set(await stored(services, source)) == {"a", "b"}
    async with services.database.read() as db:
        assert await sources.due(db, services.clock.now() + timedelta(days=9)) == []


async def test_a_feed_from_a_file_is_called_what_it_calls_itself_unless_told(
    services: Services,
) -> None:
    called = []
    for title in (None, "Mine"):
        new = NewSource(url=f"file:///home/{title}/feed.xml", title=title)
        async with services.write() as db:
            source = await sources.add_file(db, HOUSE, new.url, new, FEED, services.clock.now())
        await take_in(services, TakeIn(source.id))
        async with services.database.read() as db:
            called.append((await sources.by_ids(db, [source.id]))[source.id].title)

    assert called == ["Paper", "Mine"]


async def test_a_refresh_that_was_overtaken_writes_nothing_down(
    services: Services, pages: Pages
) -> None:
    source = await added(services, pages.put("/feed", FEED))
    async with services.database.begin() as db:
        first = await sources.claim(db, source.id, services.clock.now())
    await refreshed(services, source)
    assert first is not None
    async with services.database.begin() as db:
        late = sources.Failed(reason="x", status=500, next_check_at=services.clock.now())
        assert not await sources.failed(db, first, late, services.clock.now())


async def test_many_sources_are_due_and_queued_once(services: Services) -> None:
    news = [NewSource(url=f"https://{n}.example/feed") for n in range(5)]
    news += [NewSource(url=f"https://one.example/{n}") for n in range(5)]
    async with services.write() as db:
        found, known = await sources.add_all(db, HOUSE, [*news, news[0]], services.clock.now())
    async with services.database.read() as db:
        due = await sources.due(db, services.clock.now())
    assert len(found) == 10
    assert known == 1
    # Of one host not all at once: they would only wait for one another.
    hosts = Counter(each.host for each in found if each.id in due)
    assert hosts == {"one.example": 2} | {f"{n}.example": 1 for n in range(5)}


async def test_only_an_admin_looks_after_sources(services: Services) -> None:
    reader = Viewer(UUID(int=5), "user")
    calls: list[Any] = [
        lambda db: sources.add(
            db, reader, NewSource(url="https://a.example"), services.clock.now()
        ),
        lambda db: sources.page(db, reader),
        lambda db: sources.refresh(db, reader, UUID(int=1), services.clock.now()),
    ]
    for call in calls:
        with pytest.raises(NotAllowed, match="Only an admin"):
            async with services.database.begin() as db:
                await call(db)


async def test_a_file_outlives_a_lost_queue_and_goes_when_it_was_read(
    services: Services,
) -> None:
    new = NewSource(url="file:///home/a/feed.xml")
    async with services.write() as db:
        source = await sources.add_file(db, HOUSE, new.url, new, FEED, services.clock.now())
    later, now = timedelta(minutes=1), services.clock.now()
    async with services.database.read() as db:
        assert await sources.untaken(db, now) == []
        assert await sources.untaken(db, now + later) == [source.id]
    await take_in(services, TakeIn(source.id))
    await take_in(services, TakeIn(source.id))
    async with services.database.read() as db:
        assert await sources.untaken(db, now + later) == []
        read = (await sources.by_ids(db, [source.id]))[source.id]
    assert (read.item_count, read.error_count) == (2, 0)


async def test_a_file_that_cannot_be_read_is_not_tried_for_ever(services: Services) -> None:
    new = NewSource(url="file:///home/a/feed.xml")
    for content, attempts in ((b"no feed", 0), (FEED, sources.MOST_ATTEMPTS)):
        async with services.write() as db:
            source = await sources.add_file(db, HOUSE, new.url, new, content, services.clock.now())
            for _ in range(attempts):
                await sources.begin_file(db, source.id)
        await take_in(services, TakeIn(source.id))
        async with services.database.read() as db:
            assert await sources.begin_file(db, source.id) is None
            failed = (await sources.by_ids(db, [source.id]))[source.id]
        assert failed.last_error is not None
        assert failed.item_count == 0
