"""How long a socket lives: as long as the sign-in and the token that opened it."""

from datetime import timedelta
from uuid import UUID

import httpx2
import msgspec
import pytest
from starlette.applications import Starlette

from realtime import ConnectInfo, ConnectRefused, Endpoint, LocalPubSub, Socket
from realtime.testing import Client, connect
from server import auth, users
from server.catalog import REACTIONS
from server.comments import room as item_room
from server.kernel.clock import FixedClock
from server.kernel.ids import new_id
from server.kernel.outbox import by_topic
from server.kernel.relay import Relay
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.socket import UserSocket
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio

ADA = {"username": "Ada_L", "email": "ada@example.org", "password": "correct horse"}


@pytest.fixture
async def item_id(services: Services) -> UUID:
    async with services.write() as db:
        return await an_item(db)


async def _like(client: Client, item_id: UUID) -> str:
    reply = await client.request("feed:news", "like", {"id": str(item_id)})
    return "ok" if reply.ok else str(reply.response["reason"])


async def _tell(app: Starlette) -> None:
    """Be the relay until there is nothing left to tell."""
    node = app.state.node
    relay = Relay(node.services, by_topic(REACTIONS))
    while await relay.deliver():
        pass


async def test_signing_out_ends_the_sockets_of_that_sign_in_and_no_others(
    app: Starlette, client: httpx2.AsyncClient, item_id: UUID
) -> None:
    endpoint = app.state.node.endpoint
    first = (await client.post("/auth/register", json=ADA)).json()["access_token"]
    given = {"login": "ada_l", "password": ADA["password"]}
    other = (await client.post("/auth/login", json=given)).json()["access_token"]
    phone, laptop = [await connect(endpoint, auth_token=token) for token in (first, other)]
    for screen in (phone, laptop):
        assert (await screen.join("feed:news")).ok
        assert await _like(screen, item_id) == "ok"
    assert (await client.post("/auth/logout")).status_code == 204
    await _tell(app)
    assert (await laptop.wait_closed()).code == 1001
    assert phone.closed is None
    assert await _like(phone, item_id) == "ok"
    with pytest.raises(ConnectRefused) as refused:
        await connect(endpoint, auth_token=other)
    assert (refused.value.status, refused.value.reason) == (401, "sign_in_first")


async def test_a_stolen_refresh_token_ends_the_sockets_of_its_family(
    app: Starlette, client: httpx2.AsyncClient
) -> None:
    token = (await client.post("/auth/register", json=ADA)).json()["access_token"]
    stolen = client.cookies.get("refresh", path="/auth")
    screen = await connect(app.state.node.endpoint, auth_token=token)
    for _ in range(2):
        assert (await client.post("/auth/refresh")).status_code == 200
    await _tell(app)
    assert screen.closed is None
    thief = await client.post("/auth/refresh", headers={"cookie": f"refresh={stolen}"})
    assert thief.status_code == 401
    await _tell(app)
    assert (await screen.wait_closed()).code == 1001


async def test_signing_out_twice_tells_once(services: Services) -> None:
    async with services.write() as db:
        viewer = await a_user(db, "ada")
        assert viewer.id is not None
        user = (await users.by_ids(db, [viewer.id]))[viewer.id]
        session = await auth.open_session(db, services.policy, user, services.clock.now())
        now = services.clock.now()
        for _ in range(2):
            await auth.sign_out(db, now, family=session.family)
        rows = await db.exec_driver_sql("select topic from ops.outbox")
        assert [row.topic for row in rows] == ["sign_in.ended"]


async def test_a_socket_has_no_authority_once_its_token_has_ended(
    services: Services, item_id: UUID
) -> None:
    clock = FixedClock(services.clock.now())
    turned = msgspec.structs.replace(services, clock=clock)

    def make_socket(info: ConnectInfo) -> Socket:
        return UserSocket(info, turned)

    endpoint = Endpoint(make_socket, pubsub=LocalPubSub())
    async with endpoint, item_room.running(turned, endpoint):
        async with services.write() as db:
            ada = await a_user(db, "ada")
        token = auth.access_token(turned.policy, ada, new_id(), clock.now())
        screen, visitor = await connect(endpoint, auth_token=token), await connect(endpoint)
        topic = f"item:{item_id}"
        for client in (screen, visitor):
            await client.join(topic)
        assert (await screen.request(topic, "comment", {"body": "Still here"})).ok
        clock.advance(timedelta(seconds=turned.policy.access_token_seconds))
        late = await screen.request(topic, "comment", {"body": "Too late"})
        assert late.response["reason"] == "sign_in_first"
        for connection in tuple(endpoint.node.connections):
            connection.check(0.0)
        assert (await screen.wait_closed()).code == 1001
        assert visitor.closed is None
        with pytest.raises(ConnectRefused):
            await connect(endpoint, auth_token=token)


async def test_a_socket_goes_on_with_a_newer_token_of_the_same_sign_in(
    services: Services, item_id: UUID
) -> None:
    clock = FixedClock(services.clock.now())
    turned = msgspec.structs.replace(services, clock=clock)
    endpoint = Endpoint(lambda info: UserSocket(info, turned), pubsub=LocalPubSub())
    quarter = timedelta(seconds=turned.policy.access_token_seconds)
    async with endpoint, item_room.running(turned, endpoint):
        async with services.write() as db:
            ada, bob = await a_user(db, "ada"), await a_user(db, "bob")
        family = new_id()

        def token(viewer: Viewer, of: UUID) -> str:
            return auth.access_token(turned.policy, viewer, of, clock.now())

        screen = await connect(endpoint, auth_token=token(ada, family))
        visitor = await connect(endpoint)
        inbox, item = f"user:{ada.id}", f"item:{item_id}"
        for topic in (inbox, item):
            assert (await screen.join(topic)).ok
        assert not (await visitor.join(inbox)).ok
        clock.advance(quarter / 2)
        for given in (token(ada, new_id()), token(bob, family), "nonsense"):
            assert not (await screen.request(inbox, "token", {"access_token": given})).ok
        newer = {"access_token": token(ada, family)}
        renewed = await screen.request(inbox, "token", newer)
        assert renewed.response == {"expires_in": int(quarter.total_seconds())}
        clock.advance(quarter * 3 / 4)
        # The first token has ended, the second has not.
        for connection in tuple(endpoint.node.connections):
            connection.check(0.0)
        assert screen.closed is None
        assert (await screen.request(item, "comment", {"body": "Still here"})).ok
        clock.advance(quarter)
        late = await screen.request(item, "comment", {"body": "Too late"})
        assert late.response["reason"] == "sign_in_first"
        # Not closed yet: the next token still finds it.
        again = await screen.request(inbox, "token", {"access_token": token(ada, family)})
        assert again.ok
        assert (await screen.request(item, "comment", {"body": "Here again"})).ok
        assert not (await screen.request(inbox, "token", newer)).ok


async def test_a_visitor_stays_as_long_as_they_like(services: Services) -> None:
    socket = UserSocket(ConnectInfo(), services)
    assert (socket.id(), socket.viewer, socket.is_over()) == (None, Viewer(), False)
