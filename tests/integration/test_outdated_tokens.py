"""K13: what was ended or changed counts at once, on every node, for tokens that have not ended."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import httpx2
import msgspec
import pytest
from sqlalchemy import select
from starlette.applications import Starlette

from realtime import Broadcast, ConnectInfo, ConnectRefused
from realtime.testing import connect
from server import auth, users
from server.app import create_app
from server.auth import letters, outdated, tokens
from server.auth.one_time import one_time_tokens
from server.auth.outdated import Outdated
from server.catalog import REACTIONS
from server.kernel.clock import FixedClock
from server.kernel.ids import new_id
from server.kernel.outbox import by_topic
from server.kernel.relay import Relay
from server.kernel.services import Services
from server.kernel.viewer import VISITOR, Viewer
from server.settings import Settings
from server.socket import UserSocket
from tests.integration.conftest import client_of
from tests.people import a_user

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse"
ADA = {"username": "Ada_L", "email": "ada@example.org", "password": PASSWORD}
ROOT = Viewer(new_id(), "admin")


@pytest.fixture
async def other(settings: Settings) -> AsyncIterator[Starlette]:
    """Another node on the same stores."""
    created = create_app(settings)
    async with created.router.lifespan_context(created):
        yield created


@pytest.fixture
def services(app: Starlette) -> Services:
    served: Services = app.state.node.services
    return served


async def signed_in(client: httpx2.AsyncClient, path: str = "/auth/register") -> str:
    body = ADA if path == "/auth/register" else {"login": "ada_l", "password": PASSWORD}
    answer = await client.post(path, json=body)
    assert answer.status_code in {200, 201}, answer.text
    client.cookies.clear()
    return str(answer.json()["access_token"])


async def ask(app: Starlette, token: str, method: str = "GET", path: str = "/auth/me") -> int:
    head = {"authorization": f"Bearer {token}"}
    async with client_of(app) as client:
        return (await client.request(method, path, headers=head)).status_code


async def heard(app: Starlette, other: Starlette) -> None:
    """Wait until a node has heard all that another one broadcast before."""
    word, came = new_id(), asyncio.Event()

    def on_told(broadcast: Broadcast) -> None:
        if broadcast.event == outdated.ENDED and word in broadcast.decode(outdated.Ended).families:
            came.set()

    stop = other.state.node.endpoint.subscribe(outdated.TOPIC, on_told)
    told = outdated.Ended([word])
    await app.state.node.services.publisher.broadcast(outdated.TOPIC, outdated.ENDED, told)
    await came.wait()
    stop()


async def tell(services: Services) -> None:
    """Be the relay until there is nothing left to tell."""
    relay = Relay(services, by_topic(REACTIONS))
    while await relay.deliver():
        pass


async def _end_by(door: str, app: Starlette, token: str, services: Services) -> None:
    claims = auth.read_access_token(services.policy, token)
    head = {"authorization": f"Bearer {token}"}
    async with client_of(app) as client:
        match door:
            case "sign out":
                answer = await client.post("/auth/logout", headers=head)
            case "end it":
                answer = await client.delete(f"/auth/sessions/{claims.sid}", headers=head)
            case "end all":
                answer = await client.delete("/auth/sessions", headers=head)
            case "leave":
                body = {"password": PASSWORD}
                answer = await client.request("DELETE", "/auth/me", json=body, headers=head)
            case _:
                link = await _reset_link(services, claims.sub)
                body = {"token": link, "password": "another one that is long"}
                answer = await client.post("/auth/password/reset", json=body)
    assert answer.status_code == 204, answer.text


async def _reset_link(services: Services, user_id: UUID) -> str:
    async with services.write() as db:
        user = (await users.by_ids(db, [user_id]))[user_id]
        await letters.forgot(db, services.policy, user.email, services.clock.now())
    async with services.database.read() as db:
        found = select(one_time_tokens.c.id).where(one_time_tokens.c.purpose == "reset_password")
        return tokens.one_time_token(services.policy, (await db.execute(found)).scalar_one())


@pytest.mark.parametrize("door", ["sign out", "end it", "end all", "leave", "reset"])
async def test_an_ended_sign_in_is_refused_at_once_on_every_node(
    app: Starlette, other: Starlette, services: Services, door: str
) -> None:
    async with client_of(app) as client:
        token = await signed_in(client)
    assert [await ask(each, token) for each in (app, other)] == [200, 200]
    await _end_by(door, app, token, services)
    # Here with the answer; there with the broadcast, which no relay had to send.
    assert await ask(app, token) == 401
    await heard(app, other)
    assert await ask(other, token) == 401


async def test_another_password_ends_the_others_and_not_this_one(app: Starlette) -> None:
    async with client_of(app) as client:
        phone = await signed_in(client)
        laptop = await signed_in(client, "/auth/login")
        body = {"password": PASSWORD, "new_password": "another one that is long"}
        head = {"authorization": f"Bearer {laptop}"}
        assert (await client.put("/auth/password", json=body, headers=head)).status_code == 204
    assert await ask(app, phone) == 401
    assert await ask(app, laptop) == 200


async def test_a_cookie_of_an_ended_sign_in_makes_a_visitor(app: Starlette) -> None:
    async with client_of(app) as client:
        made = await client.post("/auth/register", json=ADA)
        cookies = dict(client.cookies)
        head = {"authorization": f"Bearer {made.json()['access_token']}"}
        await client.post("/auth/logout", headers=head)
        for name, value in cookies.items():
            client.cookies.set(name, value)
        assert (await client.get("/feed/news")).status_code == 200
        assert (await client.get("/auth/me")).status_code == 401
        write = {"x-csrf-token": cookies["csrf"]}
        liked = await client.put(f"/items/{new_id()}/like", headers=write)
        assert liked.status_code == 401


async def test_a_changed_role_holds_at_once_and_a_new_token_goes_on(
    app: Starlette, other: Starlette, services: Services
) -> None:
    async with client_of(app) as client:
        made = await client.post("/auth/register", json=ADA)
        token, user_id = made.json()["access_token"], UUID(made.json()["user"]["id"])
        async with services.write() as db:
            await users.set_role(db, ROOT, user_id, "admin", services.clock.now())
        await tell(services)
        await heard(app, other)
        assert [await ask(each, token) for each in (app, other)] == [401, 401]
        renewed = (await client.post("/auth/refresh")).json()["access_token"]
        assert [await ask(each, renewed, path="/admin/audit") for each in (app, other)] == [200] * 2
        async with services.write() as db:
            await users.set_role(db, ROOT, user_id, "user", services.clock.now())
        await tell(services)
        await heard(app, other)
        assert [await ask(each, renewed, path="/admin/audit") for each in (app, other)] == [401] * 2


async def test_a_socket_has_no_role_that_was_taken(app: Starlette, services: Services) -> None:
    async with services.write() as db:
        mona = await a_user(db, "mona", "admin")
    family, now = new_id(), services.clock.now()
    token = auth.access_token(services.policy, mona, family, now)
    held = UserSocket(ConnectInfo(auth_token=token), services)
    await held.connect()
    assert held.viewer == mona
    assert mona.id is not None
    async with services.write() as db:
        await users.set_role(db, ROOT, mona.id, "user", services.clock.now())
    await tell(services)
    await heard(app, app)
    assert held.is_over()
    assert held.viewer == VISITOR
    with pytest.raises(ConnectRefused):
        await connect(app.state.node.endpoint, auth_token=token)


@pytest.mark.row("K13")
async def test_an_emptied_redis_and_a_new_process_lose_nothing(
    app: Starlette, other: Starlette, services: Services
) -> None:
    async with client_of(app) as client:
        ended = await signed_in(client)
        goes_on = await signed_in(client, "/auth/login")
    claims = auth.read_access_token(services.policy, ended)
    # Nobody tells of it: the process died after the commit, and Redis forgets all it knows.
    async with services.write() as db:
        await auth.sign_out(db, services.clock.now(), family=claims.sid)
    await services.redis.flushall()
    later = Outdated(services)
    assert await later.read()
    assert later.covers(claims)
    assert not later.covers(auth.read_access_token(services.policy, goes_on))
    # A node that runs finds it too, by its next reading.
    known: Outdated = other.state.node.services.parts[Outdated]
    await known.read()
    assert await ask(other, ended) == 401
    assert await ask(other, goes_on) == 200
    await tell(services)
    assert await ask(app, goes_on) == 200


async def test_what_no_token_is_left_of_is_forgotten(services: Services) -> None:
    clock = FixedClock(services.clock.now())
    later = Outdated(msgspec.structs.replace(services, clock=clock))
    claims = auth.Claims(sub=new_id(), role="user", sid=new_id(), iat=0, exp=1)
    later.end([claims.sid])
    assert later.covers(claims)
    clock.advance(timedelta(seconds=services.policy.access_token_seconds + 1))
    later.stand({new_id(): "user"})
    assert not later.covers(claims)
