"""The channels of one item and of one inbox, through the realtime library."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from realtime import ConnectInfo, Endpoint, LocalPubSub, Socket
from realtime.testing import Client, connect
from server import auth, engagement
from server.comments import reactions as comment_reactions
from server.comments import room
from server.kernel.clock import FixedClock
from server.kernel.ids import new_id
from server.kernel.outbox import by_topic
from server.kernel.relay import Relay
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.notifications import reactions as notification_reactions
from server.socket import UserSocket
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio


class Node:
    """A web node without a network, and the relay and the fold beside it."""

    def __init__(self, services: Services) -> None:
        self.endpoint = Endpoint(self._make_socket, pubsub=LocalPubSub())
        self.services = services.with_publisher(self.endpoint)
        table = by_topic([*comment_reactions.reactions, *notification_reactions.reactions])
        self._relay = Relay(self.services, table)

    def _make_socket(self, info: ConnectInfo) -> Socket:
        return UserSocket(info, self.services)

    async def client(self, viewer: Viewer | None = None) -> Client:
        """Connect as somebody, or as a visitor."""
        token = None
        if viewer is not None:
            now = self.services.clock.now()
            token = auth.access_token(self.services.policy, viewer, new_id(), now)
        return await connect(self.endpoint, auth_token=token)

    async def relay(self) -> None:
        while await self._relay.deliver():
            pass

    async def fold(self) -> None:
        async with self.services.database.begin() as db:
            moved = await engagement.fold_once(db)
        topic, event = engagement.COUNTERS_TOPIC, engagement.COUNTERS_EVENT
        await self.endpoint.broadcast(topic, event, {"items": moved})


@pytest.fixture
async def node(services: Services) -> AsyncIterator[Node]:
    made = Node(services)
    async with made.endpoint, room.running(made.services, made.endpoint):
        yield made


@pytest.fixture
async def ada(services: Services) -> Viewer:
    async with services.write() as db:
        return await a_user(db, "ada")


@pytest.fixture
async def bob(services: Services) -> Viewer:
    async with services.write() as db:
        return await a_user(db, "bob")


@pytest.fixture
async def item_id(services: Services) -> UUID:
    async with services.write() as db:
        return await an_item(db)


async def _comment(client: Client, topic: str, body: str, parent: Any = None) -> Any:
    reply = await client.request(topic, "comment", {"body": body, "parent_id": parent})
    assert reply.ok, reply
    return reply.response


async def test_a_comment_written_on_one_screen_appears_on_the_others(
    node: Node, ada: Viewer, item_id: UUID
) -> None:
    writer, reader, topic = await node.client(ada), await node.client(), f"item:{item_id}"
    assert (await writer.join(topic)).response["items"] == []
    assert (await reader.join(topic)).ok
    written = await _comment(writer, topic, "First!")
    await node.relay()
    pushed = (await reader.receive("comment", topic)).payload
    assert pushed["id"] == written["id"]
    assert (pushed["body_text"], pushed["author"]["username"]) == ("First!", "ada")
    assert "liked_by_me" not in pushed
    await node.fold()
    moved = (await reader.receive("counters", topic)).payload["items"]
    assert [(each["id"], each["comments"]) for each in moved] == [(str(item_id), 1)]
    late = await (await node.client()).join(topic)
    assert [each["id"] for each in late.response["items"]] == [written["id"]]
    assert late.response["counts"]["comments"] == 1


async def test_pages_go_on_where_the_join_ended(node: Node, ada: Viewer, item_id: UUID) -> None:
    writer, topic = await node.client(ada), f"item:{item_id}"
    await writer.join(topic)
    written = [(await _comment(writer, topic, f"Number {n}"))["id"] for n in range(5)]
    joined = (await (reader := await node.client()).join(topic, {"limit": 2})).response
    more = await reader.request(topic, "more", {"cursor": joined["cursor"], "limit": 10})
    seen = [each["id"] for each in [*joined["items"], *more.response["items"]]]
    assert seen == written[::-1]
    assert (joined["has_more"], more.response["has_more"]) == (True, False)


async def test_what_a_dead_folder_could_not_tell_is_read_again(
    node: Node, ada: Viewer, item_id: UUID
) -> None:
    reader, topic = await node.client(), f"item:{item_id}"
    await reader.join(topic)
    async with node.services.database.begin() as db:
        await engagement.like(db, ada, item_id)
        await engagement.fold_once(db)
    await node.endpoint.broadcast(engagement.COUNTERS_TOPIC, engagement.COUNTERS_MISSED_EVENT, {})
    [moved] = (await reader.receive("counters", topic)).payload["items"]
    assert (moved["id"], moved["likes"], moved["version"]) == (str(item_id), 1, 1)


async def test_what_a_person_does_on_a_channel_is_limited_as_it_is_over_http(
    services: Services, ada: Viewer, item_id: UUID
) -> None:
    clock = FixedClock(services.clock.now())
    node, topic = Node(msgspec.structs.replace(services, clock=clock)), f"item:{item_id}"
    async with node.endpoint, room.running(node.services, node.endpoint):
        writer = await node.client(ada)
        await writer.join(topic)
        reasons = [
            (await writer.request(topic, "comment", {})).response["reason"] for _ in range(51)
        ]
        assert reasons == ["malformed"] * 50 + ["too_many"]
        assert (await writer.request(topic, "more", {})).ok
        clock.advance(timedelta(seconds=1))
        assert (await writer.request(topic, "comment", {"body": "Patience"})).ok


@pytest.mark.parametrize(
    ("event", "payload", "reason"),
    [
        ("comment", {"body": "Hello"}, "sign_in_first"),
        ("comment", {"text": "Hello"}, "sign_in_first"),
        ("more", {"cursor": "forged"}, "cursor_invalid"),
        ("more", {"limit": 1000}, "malformed"),
        ("dance", {}, "unknown_event"),
    ],
)
async def test_what_a_visitor_cannot_do(
    node: Node, item_id: UUID, event: str, payload: Any, reason: str
) -> None:
    visitor, topic = await node.client(), f"item:{item_id}"
    await visitor.join(topic)
    reply = await visitor.request(topic, event, payload)
    assert (reply.status, reply.response["reason"]) == ("error", reason)


async def test_only_what_is_there_can_be_joined(node: Node) -> None:
    visitor = await node.client()
    for topic, reason in ((f"item:{new_id()}", "no_such_item"), ("item:x", "malformed")):
        reply = await visitor.join(topic)
        assert (reply.status, reply.response["reason"]) == ("error", reason)


async def test_a_screen_that_left_is_sent_nothing_more(
    node: Node, ada: Viewer, item_id: UUID
) -> None:
    reader, other, topic = await node.client(), await node.client(ada), f"item:{item_id}"
    await reader.join(topic)
    await other.join(topic)
    await reader.leave(topic)
    await _comment(other, topic, "Anybody?")
    await node.relay()
    await node.fold()
    await other.receive("counters", topic)
    # How many are here was told before it left.
    about_itself = {"phx_reply", "phx_close", "presence"}
    assert [m.event for m in reader.received if m.event not in about_itself] == []


async def test_an_answer_pops_up_in_every_session_of_its_reader_and_nowhere_else(
    node: Node, ada: Viewer, bob: Viewer, item_id: UUID
) -> None:
    inbox, topic = f"user:{ada.id}", f"item:{item_id}"
    phone, laptop, answering = [await node.client(who) for who in (ada, ada, bob)]
    for session in (phone, laptop):
        joined = (await session.join(inbox)).response
        assert (joined["items"], joined["gone"], joined["reset"]) == ([], [], False)
        assert (joined["unread_count"], joined["unseen_count"]) == (0, 0)
    assert (await answering.join(inbox)).response["reason"] == "not_allowed"
    assert (await (await node.client()).join(inbox)).response["reason"] == "sign_in_first"
    await phone.join(topic)
    await answering.join(topic)
    mine = await _comment(phone, topic, "What do you think?")
    await _comment(answering, topic, "Much.", mine["id"])
    await node.relay()
    for session in (phone, laptop):
        told = (await session.receive("notification", inbox)).payload
        assert (told["kind"], told["unread_count"]) == ("reply", 1)
        assert [actor["username"] for actor in told["actors"]] == ["bob"]
        assert (told["excerpt"], told["read"]) == ("Much.", False)
    marked = await phone.request(inbox, "read", {"up_to": told["id"]})
    assert marked.response == {"unread_count": 0, "unseen_count": 0}
    await node.relay()
    agreed = (await laptop.receive("read", inbox)).payload
    assert agreed == {"up_to": told["id"], "unread_count": 0, "unseen_count": 0}
    later = await (await node.client(ada)).join(inbox)
    assert [(each["id"], each["read"]) for each in later.response["items"]] == [(told["id"], True)]
