"""The channel of one item: polls as they are voted in, who writes, how many are here."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from realtime.testing import Client
from server import catalog, engagement, posts
from server.comments.room import Room
from server.kernel.outbox import by_topic
from server.kernel.relay import Relay
from server.kernel.viewer import Viewer
from server.posts import PollDraft, PostDraft, Rules
from tests.integration.test_people_channels import Node, ada, bob, item_id, node

pytestmark = pytest.mark.anyio
__all__ = ["ada", "bob", "item_id", "node"]
RULES = Rules(500, 900.0)


async def _relay(node: Node) -> None:
    relay = Relay(node.services, by_topic(catalog.REACTIONS))
    while await relay.deliver():
        pass


async def _fold_votes(node: Node) -> None:
    """Fold, and tell what moved, as the folder does."""
    async with node.services.database.begin() as db:
        await engagement.fold_once(db)
        rows = await db.execute(text("select poll_id from engage.poll_counters"))
        votes = (await engagement.votes(db, list(rows.scalars()))).values()
    payload = {"polls": list(votes)}
    await node.endpoint.broadcast(engagement.POLLS_TOPIC, engagement.VOTED_EVENT, payload)


async def _asked(node: Node, author: Viewer) -> UUID:
    draft = PostDraft("Tea?", poll=PollDraft(["Yes", "No"]))
    async with node.services.write() as db:
        return await posts.create(db, author, draft, (), RULES, node.services.clock.now())


async def _join(node: Node, topic: str, viewer: Viewer | None = None) -> Client:
    client = await node.client(viewer)
    assert (await client.join(topic)).ok
    return client


@pytest.mark.row("D-03")
async def test_votes_reach_open_screens_by_option_only_of_those_who_voted(
    node: Node, ada: Viewer, bob: Viewer
) -> None:
    topic = f"item:{await _asked(node, ada)}"
    reader, other = await _join(node, topic), await _join(node, topic, bob)
    voter = await _join(node, topic, bob)
    reply = await voter.request(topic, "vote", {"option": 1})
    assert [each["votes"] for each in reply.response["options"]] == [0, 1]
    await _fold_votes(node)
    told = (await voter.receive("poll", topic)).payload
    assert (told["total"], told["votes"]) == (1, [0, 1])
    blind = (await reader.receive("poll", topic)).payload
    assert (blind["total"], "votes" in blind) == (1, False)
    assert "votes" not in (await other.receive("poll", topic)).payload
    # The same person's other screen is shown them when the nodes have heard of the vote.
    await _relay(node)
    assert (await other.receive("poll", topic)).payload["votes"] == [0, 1]
    again = await voter.request(topic, "vote", {"option": 0})
    assert again.response["reason"] == "already_voted"
    late = await (await node.client(bob)).join(topic)
    assert (late.response["poll"]["my_vote"], late.response["poll"]["total"]) == (1, 1)


async def test_at_its_end_everybody_is_shown_the_votes(node: Node, ada: Viewer) -> None:
    poll_id = await _asked(node, ada)
    async with node.services.write() as db:
        await engagement.vote(db, ada, poll_id, 0)
        await db.execute(text("update content.polls set ends_at = now()"))
    reader = await _join(node, topic := f"item:{poll_id}")
    await _fold_votes(node)
    assert (await reader.receive("poll", topic)).payload["votes"] == [1, 0]


async def test_who_writes_is_seen_by_others_and_not_told_twice(
    node: Node, ada: Viewer, item_id: UUID
) -> None:
    topic = f"item:{item_id}"
    writer, reader = await _join(node, topic, ada), await _join(node, topic)
    for _ in range(5):
        assert (await writer.request(topic, "typing", {})).ok
    seen = (await reader.receive("typing", topic)).payload
    assert ([each["username"] for each in seen["people"]], seen["count"]) == (["ada"], 1)
    late = await (await _join(node, topic)).request(topic, "writing", {})
    assert late.response["count"] == 1
    assert (await writer.request(topic, "typing", {"on": False})).ok
    assert (await reader.receive("typing", topic)).payload == {"people": [], "count": 0}
    refused = await reader.request(topic, "typing", {})
    assert refused.response["reason"] == "sign_in_first"
    # It was told of twice, and of both times above.
    assert "typing" not in {each.event for each in reader.received}


async def test_the_shadowbanned_write_unseen(node: Node, ada: Viewer, item_id: UUID) -> None:
    topic = f"item:{item_id}"
    writer = await _join(node, topic, ada)
    async with node.services.write() as db:
        await db.execute(text("update content.users set state = 'shadowbanned'"))
    assert (await writer.request(topic, "typing", {})).ok
    assert node.services.part(Room).typing.now(item_id).count == 0


async def test_only_the_number_of_those_who_are_here_is_told(
    node: Node, ada: Viewer, bob: Viewer, item_id: UUID
) -> None:
    topic = f"item:{item_id}"
    reader = await _join(node, topic)
    assert (await reader.receive("presence", topic)).payload == {"count": 1}
    await _join(node, topic, ada)
    await _join(node, topic, ada)
    other = await _join(node, topic, bob)
    # A person counts once.
    assert (await reader.receive("presence", topic)).payload == {"count": 3}
    await other.leave(topic)
    assert (await reader.receive("presence", topic)).payload == {"count": 2}
    assert "presence_diff" not in {each.event for each in reader.received}


async def test_all_that_can_be_done_over_http_can_be_done_here(
    node: Node, ada: Viewer, bob: Viewer, item_id: UUID
) -> None:
    topic = f"item:{item_id}"
    client, reader = await _join(node, topic, ada), await _join(node, topic)

    async def ask(event: str, payload: Any = None) -> Any:
        reply = await client.request(topic, event, payload or {})
        assert reply.ok, reply
        return reply.response

    for event, flag in (("like", "liked"), ("bookmark", "bookmarked"), ("repost", "reposted")):
        assert (await ask(event))[f"{flag}_by_me"]
        assert not (await ask(f"un{event}"))[f"{flag}_by_me"]
    written = await ask("comment", {"body": "First"})
    assert (await ask("like", {"id": written["id"]}))["counts"]["likes"] == 1
    edited = await ask("edit_comment", {"id": written["id"], "body": "Second"})
    assert edited["body_text"] == "Second"
    await _relay(node)
    assert (await reader.receive("comment_edited", topic)).payload["body_text"] == "Second"
    stranger = await _join(node, topic, bob)
    gone = {"id": written["id"]}
    refused = await stranger.request(topic, "delete_comment", gone)
    assert refused.response["reason"] == "not_allowed"
    await ask("delete_comment", gone)
    await _relay(node)
    assert (await reader.receive("retract", topic)).payload["ids"] == [written["id"]]
