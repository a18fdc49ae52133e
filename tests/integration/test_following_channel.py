"""`feed:following` on the whole app: pages, word of what comes, and what is gone."""

from uuid import UUID

import httpx2
import pytest
from starlette.applications import Starlette

from realtime.testing import Client, connect
from server import auth, graph, items
from server.feed.reactions import tell_gone
from server.items.events import ItemsRetracted
from server.kernel.ids import new_id
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from tests.integration.conftest import client_of
from tests.people import a_user
from tests.timelines import post, relay

pytestmark = pytest.mark.anyio

TOPIC = "feed:following"


@pytest.fixture
def services(app: Starlette) -> Services:
    """The services of the app itself, whose publisher is its endpoint."""
    served: Services = app.state.node.services
    return served


@pytest.fixture
async def people(services: Services) -> list[Viewer]:
    """Ada, who follows Ben, and Cleo, whom nobody follows."""
    async with services.write() as db:
        made = [await a_user(db, name) for name in ("ada", "ben", "cleo")]
        await graph.follow(db, made[0], "ben")
    await relay(services)
    return made


def token(services: Services, viewer: Viewer) -> str:
    return auth.access_token(services.policy, viewer, new_id(), services.clock.now())


async def opened(app: Starlette, services: Services, viewer: Viewer) -> Client:
    return await connect(app.state.node.endpoint, auth_token=token(services, viewer))


async def posts(services: Services, author: Viewer, many: int = 1) -> list[str]:
    made: list[UUID] = []
    for _ in range(many):
        async with services.write() as db:
            made.append(await post(db, services, author))
    await relay(services)
    return [str(each) for each in made]


async def test_a_join_gives_a_page_and_more_goes_on(
    app: Starlette, services: Services, people: list[Viewer]
) -> None:
    ada, ben, _ = people
    made = (await posts(services, ben, 5))[::-1]
    client = await opened(app, services, ada)

    page = (await client.join(TOPIC, {"limit": 2})).response
    more = (await client.request(TOPIC, "more", {"limit": 2})).response
    again = await opened(app, services, ada)
    rest = (await again.join(TOPIC, {"cursor": more["cursor"]})).response

    assert [item["id"] for item in page["items"]] == made[:2]
    assert [item["id"] for item in more["items"]] == made[2:4]
    assert [item["id"] for item in rest["items"]] == made[4:]
    assert (page["has_more"], rest["has_more"]) == (True, False)


async def test_what_comes_is_told_to_those_who_follow_only(
    app: Starlette, services: Services, people: list[Viewer]
) -> None:
    ada, ben, cleo = people
    reader, stranger = [await opened(app, services, who) for who in (ada, cleo)]
    for client in (reader, stranger):
        assert (await client.join(TOPIC, {})).ok
    made = await posts(services, ben)
    told = (await reader.receive("fresh")).payload
    top = (await reader.request(TOPIC, "top", {})).response
    own = await posts(services, cleo)

    assert told == {"count": 1, "ids": made}
    assert [item["id"] for item in top["items"]] == made
    # The first that the stranger hears is of their own post, on another of their screens.
    assert (await stranger.receive("fresh")).payload == {"count": 1, "ids": own}


async def test_who_muted_an_author_hears_nothing_of_them(
    app: Starlette, services: Services, people: list[Viewer]
) -> None:
    ada, ben, _ = people
    client = await opened(app, services, ada)
    assert (await client.join(TOPIC, {})).ok
    async with services.write() as db:
        await graph.mute(db, ada, "ben")
    await posts(services, ben)
    own = await posts(services, ada)

    assert (await client.receive("fresh")).payload == {"count": 1, "ids": own}


async def test_what_is_retracted_is_told_to_open_screens(
    app: Starlette, services: Services, people: list[Viewer]
) -> None:
    ada, ben, _ = people
    made = await posts(services, ben)
    client = await opened(app, services, ada)
    assert (await client.join(TOPIC, {})).ok
    async with services.write() as db:
        await items.retract(db, ben, [UUID(made[0])])
        await tell_gone(services, db, ItemsRetracted([UUID(made[0])]))

    assert (await client.receive("retract")).payload == {"ids": made}
    assert (await client.request(TOPIC, "top", {})).response["items"] == []


async def test_a_reader_acts_and_watches_as_on_other_feeds(
    app: Starlette, services: Services, people: list[Viewer]
) -> None:
    ada, ben, _ = people
    (item_id,) = await posts(services, ben)
    client = await opened(app, services, ada)
    assert (await client.join(TOPIC, {})).ok
    watched = await client.request(TOPIC, "watch", {"ids": [item_id]})
    liked = await client.request(TOPIC, "like", {"id": item_id})

    assert watched.response["items"][0]["likes"] == 0
    assert liked.response["liked_by_me"] is True


async def test_visitors_have_no_following_feed(app: Starlette) -> None:
    client = await connect(app.state.node.endpoint)
    reply = await client.join(TOPIC, {})

    assert not reply.ok
    assert reply.response["reason"] == "sign_in_first"


@pytest.mark.row("M-15")
async def test_over_http_it_has_two_addresses(
    app: Starlette, services: Services, people: list[Viewer]
) -> None:
    ada, ben, _ = people
    made = (await posts(services, ben, 3))[::-1]
    async with client_of(app) as client:
        assert (await client.get("/feed/following")).status_code == 401
        client.headers["authorization"] = f"Bearer {token(services, ada)}"
        first = await client.get("/feed/following?limit=2")
        alias = await client.get("/feed?type=following&limit=2")
        rest = await page(client, f"/feed/following?cursor={first.json()['next_cursor']}")
        of_ben = await page(client, "/users/ben/items?limit=2")
        more = await page(client, f"/users/ben/items?cursor={of_ben['cursor']}")

    assert first.content == alias.content
    assert [item["id"] for item in first.json()["items"]] == made[:2]
    assert [item["id"] for item in rest["items"]] == made[2:]
    assert [item["id"] for item in [*of_ben["items"], *more["items"]]] == made


async def page(client: httpx2.AsyncClient, address: str) -> dict:
    answer = await client.get(address)
    assert answer.status_code == 200, answer.text
    found: dict = answer.json()
    return found
