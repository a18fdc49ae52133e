"""What is removed is delivered nowhere any more: every door is tried, and none can be forgotten.

The doors are read from the tables that route: an operation or a channel that has neither a case
here nor a reason for needing none fails the test by its name.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2
import msgspec
import pytest
from sqlalchemy import text
from starlette.applications import Starlette

from realtime.testing import connect
from server import auth
from server.app import ALL_OPERATIONS
from server.catalog import CHANNELS, REACTIONS
from server.feed.node import FeedNode
from server.items import EMBEDDING_MODEL
from server.kernel.ids import new_id
from server.kernel.outbox import by_topic
from server.kernel.relay import Relay
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from tests import newsroom
from tests.integration.conftest import client_of
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio

SECRET = "quicksilver"
# What can carry the words of an item, by its name in the documents.
CARRIERS = re.compile(r"Item|Comment|Slide|Notification\b|PostHistory")
HOUSE = "the moderators see what they removed"
NO_CASE = {
    "/admin/reports": HOUSE,
    "/admin/items/{id}": HOUSE,
    "/media/{key:path}": "bytes by a signed link that only an item gives, until the link ends",
    "/users/me/export/{id}": "people's own words, asked for by themselves",
    "/sources/preview/{id}": "what a feed holds elsewhere, before anything is taken in",
    "/sources/opml": "addresses",
    "/auth/google": "a redirect",
    "/auth/google/callback": "a redirect",
    "/websub/{id}": "a challenge that comes back as it came",
    "/notifications/unsubscribe": "a page that asks whether mail shall end",
    "/metrics": "numbers",
}


class World:
    """A post that is everywhere, what its writer said elsewhere, and a reader who saw it all."""

    def __init__(self, app: Starlette, services: Services) -> None:
        self.app, self.services = app, services
        self.people: dict[str, Viewer] = {}
        self.clients: dict[str, httpx2.AsyncClient] = {}
        self.stock: list[UUID] = []
        self.post = self.other = self.said = new_id()
        # A page of News as it was given once: it is asked for again by its cursor.
        self.news_before: str | None = None

    def token(self, who: str) -> str:
        now = self.services.clock.now()
        return auth.access_token(self.services.policy, self.people[who], new_id(), now)

    async def get(self, path: str, who: str = "visitor") -> str:
        answer = await self.clients[who].get(path)
        assert answer.status_code in {200, 404}, answer.text
        return answer.text

    async def send(self, who: str, method: str, path: str, body: Any = None) -> Any:
        answer = await self.clients[who].request(method, path, json=body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    async def tell(self) -> None:
        relay = Relay(self.services, by_topic(REACTIONS))
        while await relay.deliver():
            pass

    async def joined(self, topic: str, params: Any = None, who: str = "ada") -> str:
        """What a screen is told that joins now, and asks for more as often as there is some."""
        client = await connect(self.app.state.node.endpoint, auth_token=self.token(who))
        reply = await client.join(topic, params)
        told = [repr(reply.response)]
        await client.close()
        return "".join(told)


@pytest.fixture
def services(app: Starlette) -> Services:
    served: Services = app.state.node.services
    return served


@pytest.fixture
async def world(app: Starlette, services: Services) -> AsyncIterator[World]:
    made = World(app, services)
    made.stock = await newsroom.fill(services.database, 60)
    async with services.write() as db:
        for name, role in {"mona": "admin", "writer": "user", "ada": "user"}.items():
            made.people[name] = await a_user(db, name, role)
        made.other = await an_item(db, author=made.people["ada"])
        await newsroom.add_cards(db, made.stock, "ready")
    async with AsyncExitStack() as stack:
        made.clients["visitor"] = await stack.enter_async_context(client_of(app))
        for name in made.people:
            client = made.clients[name] = await stack.enter_async_context(client_of(app))
            client.headers["authorization"] = f"Bearer {made.token(name)}"
        await _write_everywhere(made)
        yield made


async def _write_everywhere(world: World) -> None:
    await world.send("ada", "PUT", "/users/writer/follow")
    post = await world.send("writer", "POST", "/posts", {"body": f"All of it is {SECRET}."})
    world.post = UUID(post["id"])
    await world.tell()
    edited = {"body": f"All of it was {SECRET}."}
    await world.send("writer", "PATCH", f"/posts/{world.post}", edited)
    for what in ("like", "bookmark", "repost"):
        await world.send("ada", "PUT", f"/items/{world.post}/{what}")
    said = await world.send(
        "writer", "POST", f"/items/{world.other}/comments", {"body": f"Not {SECRET}?"}
    )
    world.said = UUID(said["id"])
    # Told first: of an edited text the card is drawn anew.
    await world.tell()
    async with world.services.write() as db:
        # As the workers would: an embedding and a card, so that the feeds show it.
        await db.execute(
            newsroom._EMBEDDING,
            {
                "id": world.post,
                "model": EMBEDDING_MODEL,
                "kind": "TWEET",
                "source": None,
                "at": datetime.now(UTC),
                "vector": str(newsroom.vector(0, 1)),
            },
        )
        await newsroom.add_cards(db, [world.post], "ready")
    world.services.part(FeedNode).forget()


async def _news(world: World) -> str:
    """Every slide of a new session, and of the one that was begun before."""
    pages = [await _walk(world, None)]
    if world.news_before is None:
        first = (await world.clients["visitor"].get("/feed/news?limit=1")).json()
        world.news_before = first["cursor"]
    pages.append(await _walk(world, world.news_before))
    return "".join(pages)


async def _walk(world: World, cursor: str | None) -> str:
    told = ""
    for _ in range(12):
        query = f"&cursor={cursor}" if cursor else ""
        page = await world.clients["visitor"].get(f"/feed/news?limit=5{query}")
        assert page.status_code == 200, page.text
        told += page.text
        cursor = page.json()["cursor"]
        if not page.json()["has_more"]:
            break
    return told


Door = Callable[[World], Awaitable[str]]


def _at(path: str, who: str = "visitor") -> Door:
    async def door(world: World) -> str:
        where = path.replace("{post}", str(world.post)).replace("{other}", str(world.other))
        return await world.get(where.replace("{said}", str(world.said)), who)

    return door


def _topic(topic: str, params: Any = None) -> Door:
    async def door(world: World) -> str:
        where = topic.replace("{post}", str(world.post)).replace("{other}", str(world.other))
        return await world.joined(where.replace("{ada}", str(world.people["ada"].id)), params)

    return door


async def _news_topic(world: World) -> str:
    client = await connect(world.app.state.node.endpoint, auth_token=world.token("ada"))
    told = repr((await client.join("feed:news", {"limit": 5})).response)
    for _ in range(10):
        told += repr((await client.request("feed:news", "more", {"limit": 5})).response)
    told += "".join(repr(each) for each in client.received)
    await client.close()
    return told


READS: dict[str, Door] = {
    "/feed/news": _news,
    "/feed/foryou": _at("/feed/foryou?limit=50"),
    "/feed/for-you": _at("/feed/for-you?limit=50"),
    "/feed": _at("/feed?type=foryou&limit=50"),
    "/feed/following": _at("/feed/following", "ada"),
    "/items/{id}": _at("/items/{post}"),
    "/posts/{id}": _at("/posts/{post}"),
    "/posts/{id}/edits": _at("/posts/{post}/edits"),
    "/users/{username}/items": _at("/users/writer/items"),
    "/users/{username}/likes": _at("/users/ada/likes", "ada"),
    "/bookmarks": _at("/bookmarks", "ada"),
    "/items/{id}/comments": _at("/items/{other}/comments"),
    "/notifications": _at("/notifications", "ada"),
}
TOPICS: dict[str, Door] = {
    "feed:news": _news_topic,
    "feed:foryou": _topic("feed:foryou", {"limit": 50}),
    "feed:following": _topic("feed:following"),
    "item:*": _topic("item:{other}"),
    "user:*": _topic("user:{ada}"),
}
DOORS = READS | TOPICS


def carried_by(kinds: list[Any]) -> set[str]:
    """The names of what an answer can hold."""
    _, components = msgspec.json.schema_components([each for each in kinds if each is not None])
    return set(components)


@pytest.mark.parametrize(
    "operation", [o for o in ALL_OPERATIONS if o.method == "GET"], ids=lambda o: o.name
)
def test_every_read_has_a_case_or_a_reason(operation: Any) -> None:
    if operation.path in READS or operation.path in NO_CASE:
        return
    assert operation.returns is not None, f"what does {operation.path} answer? Give it a case"
    carries = [name for name in carried_by([operation.returns]) if CARRIERS.search(name)]
    assert carries == [], f"{operation.path} can carry an item: give it a case"


@pytest.mark.parametrize("topic", CHANNELS)
def test_every_channel_has_a_case(topic: str) -> None:
    assert topic in TOPICS, f"{topic} can carry an item: give it a case"


def test_no_case_is_of_a_door_that_is_gone() -> None:
    paths = {operation.path for operation in ALL_OPERATIONS}
    assert sorted((READS.keys() | NO_CASE.keys()) - paths) == []
    assert sorted(TOPICS.keys() - CHANNELS.keys()) == []


async def _take_down(world: World) -> None:
    for item in (world.post, world.said):
        await world.send("mona", "PUT", f"/admin/items/{item}", {"state": "removed"})


async def _shadowban(world: World) -> None:
    path = f"/admin/users/{world.people['writer'].id}"
    await world.send("mona", "PUT", path, {"state": "shadowbanned"})


async def _suspend(world: World) -> None:
    path = f"/admin/users/{world.people['writer'].id}"
    await world.send("mona", "PUT", path, {"state": "suspended"})


async def _delete(world: World) -> None:
    await world.send("writer", "DELETE", f"/posts/{world.post}")
    await world.send("writer", "DELETE", f"/comments/{world.said}")


@pytest.mark.row("M-20")
@pytest.mark.row("D-26")
@pytest.mark.parametrize("remove", [_take_down, _shadowban, _suspend, _delete])
async def test_what_is_removed_is_behind_no_door(
    world: World, remove: Callable[[World], Awaitable[None]]
) -> None:
    before = {name: SECRET in await door(world) for name, door in DOORS.items()}
    assert [name for name, there in before.items() if not there] == [], "a case that sees nothing"
    node = world.app.state.node.endpoint
    open_screens = {
        topic: await connect(node, auth_token=world.token("ada"))
        for topic in ("feed:news", "feed:foryou", f"item:{world.post}", f"item:{world.other}")
    }
    for topic, screen in open_screens.items():
        assert (await screen.join(topic)).ok

    await remove(world)
    # What is read is gone at once; what was pushed is taken back as soon as the word is out.
    at_once = [
        path for path, door in READS.items() if path in _FROM_TABLES and SECRET in await door(world)
    ]
    assert at_once == []
    await world.tell()
    for topic, screen in open_screens.items():
        gone = (await screen.receive("retract", topic)).payload["ids"]
        assert {str(each) for each in gone} & {str(world.post), str(world.said)}
    after = {name: SECRET in await door(world) for name, door in DOORS.items()}
    assert [name for name, there in after.items() if there] == []


# What is read from the tables at each request, whether or not the relay runs.
_FROM_TABLES = frozenset({"/items/{id}", "/posts/{id}", "/items/{id}/comments", "/feed/foryou"})


async def test_what_is_restored_is_there_again(world: World) -> None:
    await _take_down(world)
    await world.tell()
    for item in (world.post, world.said):
        await world.send("mona", "PUT", f"/admin/items/{item}", {"state": "live"})
    await world.tell()
    for path in ("/items/{id}", "/posts/{id}", "/items/{id}/comments", "/bookmarks"):
        assert SECRET in await DOORS[path](world), path
    async with world.services.database.read() as db:
        assert (await db.execute(text("select count(*) from ops.takedowns"))).scalar_one() == 0
