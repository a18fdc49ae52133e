"""What sessions of one inbox are sent: everything once, in order, and what they missed."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from realtime.testing import Client
from server import notifications
from server.kernel import metrics
from server.kernel.ids import new_id
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.notifications import Notice, model, reading
from server.observability import measure
from tests.integration.test_people_channels import Node
from tests.people import a_user

pytestmark = pytest.mark.anyio


@pytest.fixture
async def node(services: Services) -> AsyncIterator[Node]:
    opened = Node(services)
    async with opened.endpoint:
        yield opened


class Person:
    """Somebody with an inbox, and somebody who does things that concern them."""

    def __init__(self, node: Node, owner: Viewer, other: Viewer) -> None:
        self._node = node
        self.owner = owner
        self._other = other
        self.inbox = f"user:{owner.id}"

    async def told(self, kind: Any = "mention", target: UUID | None = None) -> UUID:
        assert self.owner.id
        about = target or new_id()
        notice = Notice(user_id=self.owner.id, kind=kind, actor_id=self._other.id, target_id=about)
        services = self._node.services
        async with services.write() as db:
            await notifications.notify(db, [notice], services.clock.now())
        return about

    async def taken_back(self, target: UUID) -> None:
        assert self.owner.id
        notice = Notice(
            user_id=self.owner.id, kind="like", actor_id=self._other.id, target_id=target
        )
        services = self._node.services
        async with services.write() as db:
            await notifications.take_back(db, [notice], services.clock.now())

    async def session(self) -> Client:
        return await self._node.client(self.owner)


@pytest.fixture
async def person(node: Node) -> Person:
    async with node.services.write() as db:
        return Person(node, await a_user(db, "ada"), await a_user(db, "bob"))


async def test_a_session_that_comes_back_is_given_what_it_missed(
    node: Node, person: Person
) -> None:
    session = await person.session()
    cursor = (await session.join(person.inbox)).response["cursor"]
    await session.leave(person.inbox)
    first = await person.told()
    taken = await person.told("like")
    await person.taken_back(taken)
    await node.relay()

    joined = (await session.join(person.inbox, {"cursor": cursor})).response
    assert [each["target_id"] for each in joined["items"]] == [str(first)]
    assert (len(joined["gone"]), joined["reset"], joined["unread_count"]) == (1, False, 1)
    again = await (await person.session()).join(person.inbox, {"cursor": joined["cursor"]})
    assert (again.response["items"], again.response["gone"]) == ([], [])
    forged = (await (await person.session()).join(person.inbox, {"cursor": "nonsense"})).response
    assert forged["reason"] == "cursor_invalid"


async def test_whoever_missed_too_much_starts_over(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_MISSED", 2)
    session = await person.session()
    cursor = (await session.join(person.inbox)).response["cursor"]
    await session.leave(person.inbox)
    for _ in range(3):
        await person.told()
    joined = (await session.join(person.inbox, {"cursor": cursor, "limit": 2})).response
    assert (joined["reset"], len(joined["items"]), joined["has_more"]) == (True, 2, True)
    more = await session.request(
        person.inbox, "more", {"cursor": joined["next_cursor"], "limit": 2}
    )
    assert len(more.response["items"]) == 1


async def test_an_ack_says_what_is_lacking_and_a_push_that_comes_again_is_dropped(
    node: Node, person: Person
) -> None:
    session = await person.session()
    start = (await session.join(person.inbox)).response["cursor"]
    await person.told()
    await node.relay()
    first = (await session.receive("notification", person.inbox)).payload
    await person.told()
    await node.relay()
    second = (await session.receive("notification", person.inbox)).payload
    # What the relay says twice, a session hears once.
    await node.endpoint.broadcast(person.inbox, "notification", first)
    lacking = (await session.request(person.inbox, "ack", {"up_to": first["cursor"]})).response
    assert [each["id"] for each in lacking["items"]] == [second["id"]]
    done = (await session.request(person.inbox, "ack", {"up_to": second["cursor"]})).response
    assert (done["items"], done["unread_count"]) == ([], 2)
    seen = (await session.request(person.inbox, "seen")).response
    assert seen == {"unread_count": 2, "unseen_count": 0}
    await session.refute("notification", person.inbox)
    assert model.read_change(node.services.policy.secret, person.owner.id, start) == 0  # type: ignore[arg-type]


async def test_a_gap_between_the_nodes_is_filled_without_asking(node: Node, person: Person) -> None:
    session = await person.session()
    await session.join(person.inbox)
    about = await person.told()
    # Nobody relayed it: as if the broadcast had been lost.
    node.endpoint._gap()
    missed = (await session.receive("missed", person.inbox)).payload
    assert [each["target_id"] for each in missed["items"]] == [str(about)]


async def test_what_is_taken_back_unseen_goes_from_open_screens(node: Node, person: Person) -> None:
    session = await person.session()
    await session.join(person.inbox)
    about = await person.told("like")
    await node.relay()
    told = (await session.receive("notification", person.inbox)).payload
    await person.taken_back(about)
    await node.relay()
    gone = (await session.receive("gone", person.inbox)).payload
    assert (gone["ids"], gone["unread_count"]) == ([told["id"]], 0)


@pytest.mark.row("M-36")
async def test_how_far_each_group_is_behind_is_measured(node: Node, person: Person) -> None:
    await person.told()
    await measure(node.services)
    assert metrics.events_waiting.labels("inboxes")._value.get() == 1
    await node.relay()
    await measure(node.services)
    assert metrics.events_waiting.labels("inboxes")._value.get() == 0
