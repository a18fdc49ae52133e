"""Pages of News and For You over HTTP, on real PostgreSQL and Redis."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import httpx2
import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from realtime import Endpoint, LocalPubSub
from server.feed.http import operations
from server.feed.node import FeedNode, running
from server.front import Front
from server.kernel.endpoint import Edge
from server.kernel.services import Services
from server.kernel.viewer import VISITOR, Viewer
from tests import newsroom

pytestmark = pytest.mark.anyio


@pytest.fixture
async def items(services: Services) -> list[UUID]:
    return await newsroom.fill(services.database)


@pytest.fixture
async def node(services: Services) -> AsyncIterator[FeedNode]:
    async with running(services, Endpoint(lambda _: None, pubsub=LocalPubSub())) as opened:
        yield opened


class Reader(httpx2.AsyncClient):
    """An HTTP client whose viewer the test sets."""

    viewer = VISITOR

    async def page(self, path: str = "/feed/news", **query):
        answer = await self.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def reader(services: Services, node: FeedNode) -> AsyncIterator[Reader]:
    assert services.part(FeedNode) is node
    app = Starlette(
        routes=[
            Route(each.path, Edge(each).__call__, methods=[each.method]) for each in operations
        ],
        middleware=[
            Middleware(
                Front, services=lambda: services, identify=lambda _policy, _request: client.viewer
            )
        ],
    )
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with Reader(transport=transport, base_url="http://lumen.test") as client:
        yield client


def shown(page):
    return [
        item["id"] for slide in page["slides"] for item in (slide["featured"], *slide["related"])
    ]


@pytest.mark.row("L-25")
@pytest.mark.usefixtures("items")
async def test_a_news_page_is_slides_of_one_featured_item_and_three_related(reader):
    page = await reader.page(limit=10)
    assert page["cursor"] == page["next_cursor"]
    assert len(page["cursor"]) <= 120
    assert page["has_more"] is True
    assert [slide["seq"] for slide in page["slides"]] == list(range(1, 11))
    for slide in page["slides"]:
        assert UUID(slide["slide_id"])
        assert len(slide["related"]) == 3
        assert slide["featured"]["type"] in {"ARTICLE", "VIDEO"}
        assert slide["featured"]["embedding_id"].endswith(slide["featured"]["id"])
        assert len({item["type"] for item in slide["related"]}) > 1
        assert {item["category"] for item in slide["related"]} == {slide["featured"]["category"]}
        assert slide["featured"]["counts"]["version"] == 0
        assert "debug" not in slide
    assert len(set(shown(page))) == 40


@pytest.mark.usefixtures("items")
async def test_the_default_is_ten_slides(reader):
    assert len((await reader.page())["slides"]) == 10


@pytest.mark.usefixtures("items")
async def test_pages_follow_one_another_without_gap_or_repeat_to_the_end(reader):
    seen, seqs, query = [], [], {}
    while True:
        page = await reader.page(limit=7, **query)
        seen += shown(page)
        seqs += [slide["seq"] for slide in page["slides"]]
        query = {"cursor": page["cursor"]}
        if not page["has_more"]:
            break
    assert len(seen) == len(set(seen)) > 60
    assert seqs == list(range(1, len(seqs) + 1))
    after = await reader.page(limit=7, **query)
    assert (after["slides"], after["has_more"], after["cursor"]) == ([], False, page["cursor"])


@pytest.mark.usefixtures("items")
async def test_a_page_fetched_twice_is_the_same_page_and_the_etag_says_so(reader):
    first = await reader.page(limit=3)
    query = {"cursor": first["cursor"], "limit": "4"}
    one = await reader.get("/feed/news", params=query)
    two = await reader.get("/feed/news", params=query)
    assert one.content == two.content
    same = await reader.get(
        "/feed/news", params=query, headers={"if-none-match": one.headers["etag"]}
    )
    assert (same.status_code, same.content) == (304, b"")


@pytest.mark.usefixtures("items")
async def test_two_who_turn_one_page_at_once_get_the_same_slides(reader):
    first = await reader.page(limit=2)
    pages = await asyncio.gather(
        *(reader.page(cursor=first["cursor"], limit=limit) for limit in (5, 5, 3, 5, 8))
    )
    longest = max(pages, key=lambda page: len(page["slides"]))["slides"]
    for page in pages:
        assert page["slides"] == longest[: len(page["slides"])]


@pytest.mark.parametrize(
    ("path", "limit", "most"),
    [
        ("/feed/news", "21", "20"),
        ("/feed/news", "0", "1"),
        ("/feed/news", "ten", "int"),
        ("/feed/foryou", "51", "50"),
        ("/feed?type=news", "21", "20"),
        ("/feed?type=forYou", "51", "50"),
    ],
)
async def test_a_limit_out_of_bounds_is_refused_and_the_bound_is_told(reader, path, limit, most):
    answer = await reader.get(httpx2.URL(path).copy_merge_params({"limit": limit}))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert most in answer.json()["detail"]


@pytest.mark.usefixtures("items")
async def test_cursors_that_are_not_ours_are_refused(reader):
    page = await reader.page(limit=1)
    cursor = page["cursor"]
    for path, wrong in (
        ("/feed/news", "nonsense"),
        ("/feed/news", cursor[:-1] + ("A" if cursor[-1] != "A" else "Q")),
        ("/feed/foryou", cursor),
    ):
        answer = await reader.get(path, params={"cursor": wrong})
        assert (answer.status_code, answer.json()["reason"]) == (400, "cursor_invalid")


@pytest.mark.usefixtures("items")
async def test_a_visitor_who_signs_in_keeps_the_place_and_nobody_else_may_have_it(reader):
    page = await reader.page(limit=2)
    reader.viewer = Viewer(UUID(int=7), "user")
    mine = await reader.page(limit=2, cursor=page["cursor"])
    assert [slide["seq"] for slide in mine["slides"]] == [3, 4]
    for other in (VISITOR, Viewer(UUID(int=8), "user")):
        reader.viewer = other
        answer = await reader.get("/feed/news", params={"cursor": mine["cursor"]})
        assert answer.json()["reason"] == "cursor_invalid"


@pytest.mark.usefixtures("items")
async def test_why_is_told_to_admins(reader):
    reader.viewer = Viewer(UUID(int=7), "admin")
    slide = (await reader.page(limit=1))["slides"][0]
    assert slide["debug"]["topic"] == slide["featured"]["category"]
    assert slide["debug"]["reason"].startswith(("vector_topk+diversity", "exploration"))


@pytest.mark.usefixtures("items")
async def test_a_retracted_item_stays_in_its_place_without_its_text(reader, services):
    first = await reader.page(limit=1)
    page = await reader.page(limit=2, cursor=first["cursor"])
    related = page["slides"][0]["related"]
    gone = related[1]["id"]
    await retract(services, gone)
    again = await reader.page(limit=2, cursor=first["cursor"])
    assert again["slides"][0]["related"] == [
        related[0],
        {"id": gone, "retracted": True},
        related[2],
    ]
    assert again["slides"][0]["slide_id"] == page["slides"][0]["slide_id"]
    assert again["slides"][1] == page["slides"][1]


async def test_what_is_retracted_is_not_given_any_more(items, reader, services, node):
    await reader.page(limit=5)
    for gone in items[::2]:
        await retract(services, gone)
    node.forget()
    page = await reader.page(limit=10)
    assert not set(shown(page)) & {str(gone) for gone in items[::2]}


async def retract(services: Services, item: object) -> None:
    async with services.write() as db:
        await db.execute(
            text("update content.items set state = 'retracted' where id = :id"), {"id": item}
        )


@pytest.mark.usefixtures("items")
async def test_a_new_item_is_in_the_pool_once_it_is_told_of(reader, services, node):
    await reader.page(limit=1)
    async with services.write() as db:
        source = await newsroom.add_source(db, 99)
        new = await newsroom.add_item(
            db, kind="ARTICLE", source=source, topic=0, at=datetime.now(UTC), number=999
        )
    node.forget()
    assert str(new) in shown(await reader.page(limit=10))


@pytest.mark.usefixtures("items")
async def test_a_lost_ledger_is_said_and_nothing_seen_comes_back(reader, services):
    first = await reader.page(limit=5)
    second = await reader.page(limit=5, cursor=first["cursor"])
    await services.redis.flushall()
    third = await reader.page(limit=5, cursor=second["cursor"])
    assert third["restarted"] is True
    assert [slide["seq"] for slide in third["slides"]] == [11, 12, 13, 14, 15]
    assert not set(shown(third)) & {*shown(first), *shown(second)}
    fourth = await reader.page(limit=5, cursor=third["cursor"])
    assert "restarted" not in fourth
    assert [slide["seq"] for slide in fourth["slides"]] == [16, 17, 18, 19, 20]
    assert len({*shown(first), *shown(second), *shown(third), *shown(fourth)}) == 80


@pytest.mark.usefixtures("items")
async def test_what_was_seen_is_known_after_the_process_has_gone_as_well(reader, services, node):
    first = await reader.page(limit=5)
    await node.impressions.flush()
    await services.redis.flushall()
    known = await services.redis.dbsize()
    again = await reader.page(limit=5, cursor=first["cursor"])
    assert known == 0
    assert not set(shown(first)) & set(shown(again))


@pytest.mark.usefixtures("items")
async def test_two_readers_of_one_lost_session_agree_on_what_follows(reader, services):
    first = await reader.page(limit=3)
    second = await reader.page(limit=3, cursor=first["cursor"])
    await services.redis.flushall()
    one = await reader.page(limit=3, cursor=first["cursor"])
    other = await reader.page(limit=3, cursor=second["cursor"])
    assert one["restarted"]
    assert other["restarted"]
    assert one["slides"] == other["slides"]


@pytest.mark.usefixtures("items")
async def test_without_redis_a_page_is_not_to_be_had_just_now(reader, services):
    await reader.page(limit=1)
    broken = Redis(host="127.0.0.1", port=1)
    kept = services.part(FeedNode).sessions._ledger
    kept._redis = broken
    answer = await reader.get("/feed/news")
    await broken.aclose()
    assert (answer.status_code, answer.json()["reason"]) == (503, "unavailable")


@pytest.mark.usefixtures("items")
async def test_a_ledger_is_kept_for_a_day_after_its_last_use(reader, services):
    first = await reader.page(limit=1)
    (key,) = await services.redis.keys("sess:*")
    await services.redis.expire(key, 60)
    await reader.page(limit=1, cursor=first["cursor"])
    assert await services.redis.ttl(key) > 86_000


async def test_without_items_there_is_an_empty_feed(reader):
    for path, name in (("/feed/news", "slides"), ("/feed/foryou", "items")):
        page = await reader.page(path)
        assert (page[name], page["has_more"]) == ([], False)
        again = await reader.page(path, cursor=page["cursor"])
        assert (again[name], "restarted" in again) == ([], False)


async def test_the_feed_starts_when_its_first_items_come(reader, services, node):
    page = await reader.page()
    await newsroom.fill(services.database, 24)
    node.forget()
    assert (await reader.page(cursor=page["cursor"]))["slides"]


@pytest.mark.row("L-28")
async def test_for_you_is_cards_newest_first(items, reader, services):
    async with services.write() as db:
        await newsroom.add_cards(db, items[:40])
        await newsroom.add_cards(db, items[40:60], "ready")
        await newsroom.add_cards(db, items[60:70], "waiting")
    page = await reader.page("/feed/foryou")
    assert [item["id"] for item in page["items"]] == [str(each) for each in items[59:39:-1]]
    card = page["items"][0]
    assert card["type"] in {"ARTICLE", "TWEET", "COMMENT"}
    assert card["media_url"]
    assert card["poster_url"]
    assert card["duration_sec"] == 7.0
    assert (page["first_seq"], page["has_more"]) == (1, True)
    rest = await reader.page("/feed/foryou", cursor=page["next_cursor"], limit=50)
    assert [item["id"] for item in rest["items"]] == [str(each) for each in items[39::-1]]
    assert (rest["first_seq"], rest["has_more"]) == (21, False)
    assert "media_url" not in rest["items"][0]
    films = await reader.page("/feed/foryou", media="video", limit=50)
    assert [item["id"] for item in films["items"]] == [str(each) for each in items[59:39:-1]]


@pytest.mark.row("K5")
async def test_other_names_of_the_feeds_answer_the_same_bytes(items, reader, services):
    async with services.write() as db:
        await newsroom.add_cards(db, items[:9], "ready")
    for path, others in (
        ("/feed/news", ["/feed?type=news"]),
        ("/feed/foryou", ["/feed/for-you", "/feed?type=forYou", "/feed?type=foryou"]),
    ):
        first = await reader.page(path, limit=1)
        query = {"cursor": first["cursor"], "limit": "3"}
        answers = [
            await reader.get(other, params=query | dict(httpx2.URL(other).params))
            for other in (path, *others)
        ]
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert len({answer.headers["etag"] for answer in answers}) == 1


async def test_an_unknown_feed_is_refused_and_the_known_ones_are_told(reader):
    answer = await reader.get("/feed", params={"type": "nothing"})
    assert answer.status_code == 422
