"""An admin looks after sources over REST."""

from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import text
from starlette.applications import Starlette

from server import sources
from server.kernel.problems import Problem
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from tests.integration.conftest import client_of

pytestmark = pytest.mark.anyio
URL = "https://paper.example/feed.xml"
PASSWORD = "correct horse battery"


async def signed_in(app: Starlette, name: str) -> tuple[str, dict[str, str]]:
    async with client_of(app) as stranger:
        answer = await stranger.post(
            "/auth/register",
            json={"username": name, "email": f"{name}@example.org", "password": PASSWORD},
        )
    body = answer.json()
    return body["user"]["id"], {"authorization": f"Bearer {body['access_token']}"}


@pytest.fixture
async def admin(app: Starlette, services: Services) -> dict[str, str]:
    user_id, _ = await signed_in(app, "chief")
    async with services.database.begin() as db:
        await db.execute(
            text("update content.users set role = 'admin' where id = :id"), {"id": user_id}
        )
    async with client_of(app) as stranger:
        answer = await stranger.post("/auth/login", json={"login": "chief", "password": PASSWORD})
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


async def test_an_admin_adds_lists_and_refreshes_sources(
    client: httpx2.AsyncClient, admin: dict[str, str]
) -> None:
    added = await client.post("/sources", json={"url": URL, "category": "News"}, headers=admin)
    again = await client.post("/sources", json={"url": URL}, headers=admin)
    listed = await client.get("/sources", headers=admin)
    asked = await client.post(f"/sources/{added.json()['id']}/refresh", headers=admin)
    lost = await client.post(f"/sources/{uuid4()}/refresh", headers=admin)

    assert added.status_code == 201
    assert added.json()["url"] == URL
    assert added.json()["category"] == "News"
    assert (again.status_code, again.json()["reason"]) == (409, "source_exists")
    assert [each["url"] for each in listed.json()["items"]] == [URL]
    assert not listed.json()["has_more"]
    assert asked.status_code == 204
    assert lost.status_code == 404


OPML = """<opml version="2.0"><body><outline text="News">
  <outline text="One" xmlUrl="https://one.example/feed"/>
  <outline text="Paper" xmlUrl="https://paper.example/feed.xml"/>
</outline></body></opml>"""


async def test_an_admin_adds_a_list_of_feeds(
    client: httpx2.AsyncClient, admin: dict[str, str]
) -> None:
    await client.post("/sources", json={"url": URL}, headers=admin)
    added = await client.post("/sources", json={"opml": OPML}, headers=admin)

    assert (added.status_code, added.json()["added"], added.json()["known"]) == (201, "list", 1)
    assert [(each["title"], each["category"]) for each in added.json()["items"]] == [
        ("One", "News")
    ]


async def test_an_admin_gives_a_feed_itself(
    client: httpx2.AsyncClient, admin: dict[str, str], services: Services
) -> None:
    feed = {"content": "<rss version='2.0'><channel/></rss>", "category": "News"}
    first, again = [await client.post("/sources", json=feed, headers=admin) for _ in range(2)]

    assert (first.status_code, first.json()["added"]) == (201, "source")
    assert first.json()["id"] == again.json()["id"]
    assert not first.json()["enabled"]
    async with services.database.read() as db:
        file = await sources.begin_file(db, UUID(first.json()["id"]))
    assert file is not None
    assert file.content == feed["content"].encode()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": URL, "opml": OPML},
        {"url": URL, "content": "<rss/>"},
        {"opml": "<rss/>"},
        {"opml": '<!DOCTYPE a [<!ENTITY b "c">]><opml>&b;</opml>'},
        {"opml": OPML.replace("https://one.example/", "ftp://one.example/")},
        {
            "opml": "".join(
                ["<opml>", *(f"<a xmlUrl='https://{n}'/>" for n in range(501)), "</opml>"]
            )
        },
        {"content": ""},
        {"file": "x"},
    ],
)
async def test_what_is_no_source_is_refused(
    client: httpx2.AsyncClient, admin: dict[str, str], body: dict[str, str]
) -> None:
    refused = await client.post("/sources", json=body, headers=admin)

    assert (refused.status_code, refused.json()["reason"]) == (422, "malformed")


async def test_pages_of_sources_go_on_where_the_last_one_ended(
    client: httpx2.AsyncClient, admin: dict[str, str]
) -> None:
    for number in range(5):
        await client.post("/sources", json={"url": f"{URL}?{number}"}, headers=admin)
    first = (await client.get("/sources?limit=3", headers=admin)).json()
    rest = (
        await client.get(f"/sources?limit=3&cursor={first['next_cursor']}", headers=admin)
    ).json()

    urls = [each["url"] for each in (*first["items"], *rest["items"])]
    assert urls == [f"{URL}?{number}" for number in reversed(range(5))]
    assert (first["has_more"], rest["has_more"]) == (True, False)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://paper.example/",
        "paper.example",
        "https://",
        "http://[x",
        "https://a:b@c.example/",
        "",
    ],
)
async def test_what_cannot_be_fetched_is_refused(
    client: httpx2.AsyncClient, admin: dict[str, str], url: str
) -> None:
    refused = await client.post("/sources", json={"url": url}, headers=admin)

    assert refused.status_code == 422
    assert refused.json()["reason"] == "malformed"


async def test_others_may_neither_add_nor_look(app: Starlette, client: httpx2.AsyncClient) -> None:
    _, reader = await signed_in(app, "reader")
    for headers, status in (({}, 401), (reader, 403)):
        assert (await client.get("/sources", headers=headers)).status_code == status
        added = await client.post("/sources", json={"url": URL}, headers=headers)
        assert added.status_code == status


async def test_one_address_is_one_source_however_it_is_written(services: Services) -> None:
    house, now = Viewer(role="admin"), services.clock.now()
    async with services.write() as db:
        await sources.add(db, house, sources.NewSource(url="HTTPS://Paper.example:443"), now)
    with pytest.raises(Problem):
        async with services.write() as db:
            await sources.add(db, house, sources.NewSource(url=" https://paper.example/#top"), now)
