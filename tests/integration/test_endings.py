"""What the house tells by the clock: polls that ended; and what it removes after a while."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from jobs import schedule
from server import engagement, notifications, users
from server.auth import actions
from server.kernel.outbox import by_topic
from server.kernel.relay import Relay
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.notifications import PageQuery, Projection, concerning
from server.notifications import reactions as notification_reactions
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio


async def _relayed(services: Services) -> None:
    while await Relay(services, by_topic(notification_reactions.reactions)).deliver():
        pass


async def _inbox(services: Services, viewer: Viewer) -> list[notifications.Notification]:
    async with services.database.read() as db:
        secret, projection = services.policy.secret, Projection(services.redis)
        return (await notifications.page(db, viewer, secret, PageQuery(), projection)).items


async def _count(services: Services, table: str) -> int:
    async with services.database.read() as db:
        counted: Any = (await db.execute(text(f"select count(*) from {table}"))).scalar_one()  # noqa: S608 - our own
        return int(counted)


async def test_who_asked_and_who_voted_are_told_once_that_a_poll_has_ended(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concerning, "VOTERS_AT_ONCE", 2)
    async with services.write() as db:
        ada = await a_user(db, "ada")
        voters = [await a_user(db, name) for name in ("bob", "cem", "dan", "eve", "fay")]
        lurker = await a_user(db, "lurker")
        poll = await an_item(db, kind="TWEET", author=ada)
        open_still = await an_item(db, kind="TWEET", author=ada)
        for item, ends in ((poll, "- interval '1 s'"), (open_still, "+ interval '1 h'")):
            await db.execute(
                text(
                    "insert into content.polls (id, options, ends_at)"  # noqa: S608 - our own
                    f" values (:id, array['a', 'b'], now() {ends})"
                ),
                {"id": item},
            )
            for each in (*voters, ada):
                await engagement.vote(db, each, item, 0)
    for _ in range(2):
        await schedule.close_polls(services)
        await _relayed(services)

    for each in (ada, *voters):
        [told] = await _inbox(services, each)
        assert (told.kind, told.target_id, told.item_id) == ("poll_ended", poll, poll)
    assert await _inbox(services, lurker) == []


async def test_notifications_are_removed_when_they_are_old_or_gone_for_long(
    services: Services,
) -> None:
    async with services.write() as db:
        ada, bob = await a_user(db, "ada"), await a_user(db, "bob")
        mine = [await an_item(db, author=ada) for _ in range(4)]
        for each in mine:
            await engagement.like(db, bob, each)
    await _relayed(services)
    kept_days = services.policy.notification_days
    async with services.write() as db:
        for item, column, days in (
            (mine[0], "updated_at", kept_days + 1),
            (mine[1], "updated_at", kept_days - 1),
            (mine[2], "gone_at", 31),
            (mine[3], "gone_at", 29),
        ):
            await db.execute(
                text(
                    f"update engage.notifications set {column} = :then"  # noqa: S608 - our own
                    " where target_id = :item"
                ),
                {"item": item, "then": services.clock.now() - timedelta(days=days)},
            )
    await schedule.purge_notifications(services)

    assert await _count(services, "engage.notifications") == 2
    assert await _count(services, "engage.notification_actors") == 2
    assert [each.target_id for each in await _inbox(services, ada)] == [mine[1]]


async def test_a_sign_in_with_another_browser_is_told(services: Services) -> None:
    policy, now = services.policy, services.clock.now()
    async with services.write() as db:
        ada = await a_user(db, "ada")
        assert ada.id is not None
        user = (await users.by_ids(db, [ada.id]))[ada.id]
        for agent in ("Known/1", "Known/1", "Other/2", "Other/2"):
            await actions.open_session(db, policy, user, now, user_agent=agent)
    await _relayed(services)

    [told] = await _inbox(services, ada)
    assert told.kind == "security"
    assert told.excerpt.endswith("Other/2")
