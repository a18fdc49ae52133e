"""Notifications: who is told of what, once, grouped while unread, and pushed."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from server import comments, engagement, notifications
from server.comments import Draft
from server.comments import reactions as comment_reactions
from server.kernel.database import Db
from server.kernel.outbox import by_topic
from server.kernel.problems import CursorInvalid, NotAllowed, SignInFirst
from server.kernel.relay import Relay
from server.kernel.services import Services
from server.kernel.viewer import VISITOR, Viewer
from server.notifications import Notification, PageQuery, Projection, reading
from server.notifications import reactions as notification_reactions
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio


class Pushed:
    """What was broadcast, as JSON has it."""

    def __init__(self) -> None:
        self.frames: list[tuple[str, str, Any]] = []

    async def broadcast(self, topic: str, event: str, payload: object) -> None:
        self.frames.append((topic, event, msgspec.to_builtins(payload)))

    def of(self, topic: str, event: str) -> list[Any]:
        return [payload for t, e, payload in self.frames if (t, e) == (topic, event)]


@pytest.fixture
def pushed() -> Pushed:
    return Pushed()


async def _relayed(services: Services, pushed: Pushed) -> None:
    """Deliver everything that is in the outbox, and what that leads to."""
    table = by_topic([*comment_reactions.reactions, *notification_reactions.reactions])
    relay = Relay(services.with_publisher(pushed), table)
    while await relay.deliver():
        pass


async def _write(
    services: Services, viewer: Viewer, item_id: UUID, body: str, parent: UUID | None = None
) -> UUID:
    async with services.write() as db:
        now = services.clock.now()
        return await comments.create(db, viewer, item_id, Draft(body, parent), now)


async def _like(services: Services, viewer: Viewer, item_id: UUID) -> None:
    async with services.write() as db:
        await engagement.like(db, viewer, item_id)


async def _unlike(services: Services, viewer: Viewer, item_id: UUID) -> None:
    async with services.write() as db:
        await engagement.unlike(db, viewer, item_id)


async def _inbox(services: Services, viewer: Viewer) -> tuple[list[Notification], int]:
    async with services.database.read() as db:
        page = await _page(services, db, viewer, PageQuery())
    return page.items, page.unread_count


async def _page(
    services: Services, db: Db, viewer: Viewer, query: PageQuery
) -> notifications.NotificationPage:
    projection = Projection(services.redis)
    return await notifications.page(db, viewer, services.policy.secret, query, projection)


async def _read(services: Services, db: Db, viewer: Viewer, up_to: UUID | None) -> int:
    return (await notifications.mark_read(db, viewer, up_to, services.clock.now())).unread_count


async def _people(services: Services) -> tuple[Viewer, Viewer, Viewer]:
    async with services.write() as db:
        return await a_user(db, "ada"), await a_user(db, "bob"), await a_user(db, "eve")


async def test_an_answer_reaches_the_author_of_the_comment_above_it(
    services: Services, pushed: Pushed
) -> None:
    ada, bob, _ = await _people(services)
    async with services.write() as db:
        item_id = await an_item(db)
    first = await _write(services, ada, item_id, "What do you think?")
    answer = await _write(services, bob, item_id, "A lot " * 60, first)
    await _relayed(services, pushed)
    [push] = pushed.of(f"user:{ada.id}", "notification")
    [kept], unread = await _inbox(services, ada)
    assert (push["kind"], push["unread_count"], unread) == ("reply", 1, 1)
    assert push["id"] == str(kept.id)
    assert (kept.target_id, kept.item_id, kept.comment_id) == (first, item_id, answer)
    assert [actor.username for actor in kept.actors] == ["bob"]
    assert kept.excerpt.endswith(" A lot…")
    assert len(kept.excerpt) <= 140
    assert await _inbox(services, bob) == ([], 0)
    assert [c["id"] for c in pushed.of(f"item:{item_id}", "comment")] == [str(first), str(answer)]
    assert [c["id"] for c in pushed.of(f"item:{first}", "comment")] == [str(answer)]


async def test_a_comment_reaches_the_author_of_the_item_and_nobody_hears_of_themselves(
    services: Services, pushed: Pushed
) -> None:
    ada, bob, eve = await _people(services)
    async with services.write() as db:
        item_id = await an_item(db, kind="TWEET", author=ada)
    own = await _write(services, ada, item_id, "My own")
    await _write(services, ada, item_id, "Talking to myself", own)
    await _like(services, ada, item_id)
    await _relayed(services, pushed)
    assert await _inbox(services, ada) == ([], 0)
    # Ada wrote both the item and the comment: she hears of the answer, once.
    await _write(services, bob, item_id, "An answer", own)
    by_eve = await _write(services, eve, item_id, "A comment")
    await _write(services, bob, item_id, "To Eve", by_eve)
    await _relayed(services, pushed)
    told, unread = await _inbox(services, ada)
    assert unread == 2
    assert [(each.kind, each.actor_count) for each in told] == [("comment", 2), ("reply", 1)]
    assert [each.kind for each in (await _inbox(services, eve))[0]] == ["reply"]


async def test_likes_of_one_thing_are_one_notification_that_grows_while_unread(
    services: Services, pushed: Pushed
) -> None:
    ada, bob, eve = await _people(services)
    async with services.write() as db:
        item_id = await an_item(db)
    comment = await _write(services, ada, item_id, "Like this")
    await _like(services, bob, comment)
    await _unlike(services, bob, comment)
    await _like(services, bob, comment)
    await _like(services, eve, comment)
    await _relayed(services, pushed)
    [kept], unread = await _inbox(services, ada)
    assert (kept.kind, kept.actor_count, unread) == ("like", 2, 1)
    assert sorted(actor.username or "" for actor in kept.actors) == ["bob", "eve"]
    assert (kept.target_id, kept.item_id, kept.comment_id) == (comment, item_id, comment)
    assert kept.excerpt == "Like this"
    counts = [p["actor_count"] for p in pushed.of(f"user:{ada.id}", "notification")]
    # Likes that come together are told together.
    assert counts[-1] == 2


async def test_what_was_read_stays_read_and_a_repeated_like_is_no_news(
    services: Services, pushed: Pushed
) -> None:
    ada, bob, eve = await _people(services)
    async with services.write() as db:
        item_id = await an_item(db, author=ada)
    await _like(services, bob, item_id)
    await _relayed(services, pushed)
    async with services.write() as db:
        assert await _read(services, db, ada, None) == 0
    await _unlike(services, bob, item_id)
    await _like(services, bob, item_id)
    await _relayed(services, pushed)
    assert (await _inbox(services, ada))[1] == 0
    assert pushed.of(f"user:{ada.id}", "read") == [
        {"up_to": None, "unread_count": 0, "unseen_count": 0}
    ]
    await _like(services, eve, item_id)
    await _relayed(services, pushed)
    told, unread = await _inbox(services, ada)
    assert unread == 1
    assert [(each.read, each.actor_count) for each in told] == [(False, 1), (True, 1)]


async def test_marking_up_to_one_leaves_the_newer_ones_unread(
    services: Services, pushed: Pushed
) -> None:
    ada, bob, eve = await _people(services)
    async with services.write() as db:
        ids = [await an_item(db, author=ada) for _ in range(3)]
    for item_id in ids:
        await _like(services, bob, item_id)
        await _relayed(services, pushed)
    told, _ = await _inbox(services, ada)
    async with services.write() as db:
        assert await _read(services, db, ada, told[1].id) == 1
        assert await _read(services, db, eve, told[0].id) == 0
    assert [each.read for each in (await _inbox(services, ada))[0]] == [False, True, True]


async def test_pages_follow_each_other_and_are_of_their_owner_only(
    services: Services, pushed: Pushed
) -> None:
    ada, bob, _ = await _people(services)
    async with services.write() as db:
        ids = [await an_item(db, author=ada) for _ in range(5)]
    for item_id in ids:
        await _like(services, bob, item_id)
    await _relayed(services, pushed)
    seen: list[UUID] = []
    query, more = PageQuery(limit=2), True
    async with services.database.read() as db:
        while more:
            page = await _page(services, db, ada, query)
            seen += [each.target_id for each in page.items]
            query, more = PageQuery(page.cursor, 2), page.has_more
        assert sorted(seen) == sorted(ids)
        with pytest.raises(CursorInvalid):
            await _page(services, db, bob, query)
        with pytest.raises(SignInFirst):
            await _page(services, db, VISITOR, PageQuery())


async def test_only_its_owner_may_join_an_inbox(services: Services) -> None:
    ada, bob, _ = await _people(services)
    assert ada.id is not None
    reading.check_owner(ada, ada.id)
    with pytest.raises(NotAllowed):
        reading.check_owner(bob, ada.id)
    with pytest.raises(SignInFirst):
        reading.check_owner(VISITOR, ada.id)


async def test_distinct_actors_are_all_counted_and_the_latest_are_named(
    services: Services, pushed: Pushed
) -> None:
    async with services.write() as db:
        ada = await a_user(db, "ada")
        others = [await a_user(db, f"fan{n}") for n in range(11)]
        item_id = await an_item(db, author=ada)
    for other in others:
        await _like(services, other, item_id)
        # Of different people the order is not promised, unless one waits for the other.
        await _relayed(services, pushed)
    [kept], _ = await _inbox(services, ada)
    assert kept.actor_count == 11
    assert [actor.id for actor in kept.actors] == [other.id for other in others[:2:-1]]
