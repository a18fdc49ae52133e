"""Suspended and shadowbanned: what they can still do, and who still sees what is theirs."""

from typing import Any

import httpx2
import msgspec
import pytest
from starlette.applications import Starlette

from realtime import ConnectRefused
from realtime.testing import connect
from server import auth
from server.auth.outdated import Outdated
from server.catalog import REACTIONS
from server.kernel.ids import new_id
from server.kernel.outbox import by_topic
from server.kernel.relay import Relay
from server.kernel.services import Services
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio

ADA = {"username": "Ada_L", "email": "ada@example.org", "password": "correct horse"}


@pytest.fixture
def services(app: Starlette) -> Services:
    served: Services = app.state.node.services
    return served


async def tell(services: Services) -> None:
    """Be the relay until there is nothing left to tell."""
    relay = Relay(services, by_topic(REACTIONS))
    while await relay.deliver():
        pass


class Ada:
    """Somebody who is signed in, and the moderator who judges her."""

    def __init__(
        self, app: Starlette, client: httpx2.AsyncClient, services: Services, admin: str
    ) -> None:
        self.app, self.client, self.services, self.admin = app, client, services, admin
        self.token = ""
        self.id = ""

    async def judged(self, state: str) -> None:
        path, head = f"/admin/users/{self.id}", {"authorization": f"Bearer {self.admin}"}
        self.client.cookies.clear()
        answer = await self.client.put(path, json={"state": state}, headers=head)
        assert answer.status_code == 200, answer.text
        await tell(self.services)

    async def ask(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        self.client.cookies.clear()
        head = {"authorization": f"Bearer {self.token}"}
        return await self.client.request(method, path, json=body, headers=head)


@pytest.fixture
async def ada(app: Starlette, client: httpx2.AsyncClient, services: Services) -> Ada:
    async with services.write() as db:
        admin = await a_user(db, "mona", "admin")
    token = auth.access_token(services.policy, admin, new_id(), services.clock.now())
    made = Ada(app, client, services, token)
    answer = (await client.post("/auth/register", json=ADA)).json()
    made.token, made.id = answer["access_token"], answer["user"]["id"]
    return made


@pytest.mark.row("M-20")
async def test_whoever_is_suspended_is_out_at_once(ada: Ada) -> None:
    endpoint = ada.app.state.node.endpoint
    screen = await connect(endpoint, auth_token=ada.token)
    assert (await screen.join("feed:news")).ok
    await ada.judged("suspended")

    assert (await screen.wait_closed()).code == 1001
    with pytest.raises(ConnectRefused):
        await connect(endpoint, auth_token=ada.token)
    assert (await ada.ask("GET", "/auth/me")).status_code == 401
    given = {"login": "ada_l", "password": ADA["password"]}
    assert (await ada.client.post("/auth/login", json=given)).status_code == 403

    await ada.judged("active")
    again = await ada.client.post("/auth/login", json=given)
    assert again.status_code == 200
    ada.token = again.json()["access_token"]
    assert (await ada.ask("GET", "/auth/me")).status_code == 200


async def test_a_node_that_starts_later_knows_who_is_suspended(
    ada: Ada, services: Services
) -> None:
    await ada.judged("suspended")
    later = Outdated(services)
    assert await later.read()
    claims = auth.read_access_token(services.policy, ada.token)
    assert later.covers(claims)
    # Of a sign-in that came when the suspension was not committed yet, and is not ended.
    another = msgspec.structs.replace(claims, sid=new_id())
    assert later.covers(another)
    await ada.judged("active")
    assert await later.read()
    assert not later.covers(another)
    assert later.covers(claims)


async def test_who_is_shadowbanned_notices_nothing_and_nobody_else_notices_them(
    ada: Ada, services: Services
) -> None:
    async with services.write() as db:
        item = await an_item(db)
    path = f"/items/{item}/comments"
    await ada.judged("shadowbanned")
    endpoint = ada.app.state.node.endpoint
    screen = await connect(endpoint)
    assert (await screen.join(f"item:{item}")).ok

    said = await ada.ask("POST", path, {"body": "Buy my watches"})
    assert said.status_code == 201
    await tell(services)
    own = (await ada.ask("GET", path)).json()["items"]
    assert [each["body_text"] for each in own] == ["Buy my watches"]
    ada.client.cookies.clear()
    others = (await ada.client.get(path)).json()["items"]
    assert [each.get("body_text") for each in others] == [None]
    comment = own[0]["id"]
    assert (await ada.ask("GET", f"/items/{comment}")).status_code == 200
    ada.client.cookies.clear()
    assert (await ada.client.get(f"/items/{comment}")).status_code == 404
    await services.publisher.broadcast(f"item:{item}", "marker", {})
    await screen.receive("marker")
    # How many are here is told; nothing of what she wrote is.
    assert {each.event for each in screen.received} <= {"presence"}


@pytest.mark.row("M-20")
async def test_who_is_shadowbanned_keeps_what_is_on_their_own_screens(
    ada: Ada, services: Services
) -> None:
    post = (await ada.ask("POST", "/posts", {"body": "Watches!"})).json()["id"]
    async with services.write() as db:
        other, bob = await an_item(db), await a_user(db, "bob")
    said = (await ada.ask("POST", f"/items/{other}/comments", {"body": "Buy"})).json()["id"]
    liked = auth.access_token(services.policy, bob, new_id(), services.clock.now())
    head = {"authorization": f"Bearer {liked}"}
    assert (await ada.client.put(f"/items/{post}/like", headers=head)).status_code == 200
    await tell(services)
    topics = ("feed:news", "feed:foryou", "feed:following", f"item:{post}", f"item:{other}")
    endpoint = ada.app.state.node.endpoint
    own = await connect(endpoint, auth_token=ada.token)
    bobs, visitors = await connect(endpoint, auth_token=liked), await connect(endpoint)
    shown = {own: topics, bobs: topics, visitors: tuple({*topics} - {"feed:following"})}
    for screen, open_topics in shown.items():
        for topic in open_topics:
            assert (await screen.join(topic)).ok
    assert (await own.join(f"user:{ada.id}")).ok

    await ada.judged("shadowbanned")

    for screen in (bobs, visitors):
        gone = {
            topic: (await screen.receive("retract", topic)).payload["ids"]
            for topic in shown[screen]
        }
        assert all({post, said} & set(ids) for ids in gone.values())
        assert gone[f"item:{post}"] == [post]
        assert gone[f"item:{other}"] == [said]
    # What is told to all after it has come, and nothing before it.
    for topic in (*topics, f"user:{ada.id}"):
        await services.publisher.broadcast(topic, "marker", {})
        await own.receive("marker", topic)
    told = {each.event for each in own.received}
    assert not told & {"retract", "gone", "moderation"}
    unread = (await ada.ask("GET", "/notifications")).json()["items"]
    assert [each["kind"] for each in unread] == ["like"]
    mine = (await ada.ask("GET", "/users/ada_l/items")).json()["items"]
    assert [each["id"] for each in mine] == [post]
