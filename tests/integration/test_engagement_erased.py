"""Whoever is erased leaves no like, no saved item, no repost and no vote behind."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from server import engagement, users
from server.catalog import REACTIONS
from server.engagement.departures import BATCH
from server.kernel.outbox import by_topic
from server.kernel.relay import Relay
from server.kernel.services import Services
from server.users import COME_BACK_WITHIN
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio


async def tell(services: Services) -> None:
    """Be the relay until there is nothing left to tell."""
    relay = Relay(services, by_topic(REACTIONS))
    while await relay.deliver():
        pass


async def fold(services: Services) -> None:
    async with services.database.begin() as db:
        while await engagement.fold_once(db):
            pass


async def test_the_edges_of_who_is_erased_go_and_the_counters_follow(services: Services) -> None:
    async with services.write() as db:
        ada, bob = await a_user(db, "ada"), await a_user(db, "bob")
        items = [await an_item(db) for _ in range(BATCH + 1)]
        for item_id in items:
            await engagement.like(db, ada, item_id)
        for act in (engagement.like, engagement.bookmark, engagement.repost):
            for person in (ada, bob):
                await act(db, person, items[0])
        for person in (ada, bob):
            await engagement.vote(db, person, items[0], 1)
        # What was taken down meanwhile is let go of as well.
        gone = text("update content.items set state = 'retracted' where id = :id")
        await db.execute(gone, {"id": items[1]})
    await fold(services)
    assert ada.id is not None
    now = services.clock.now()
    async with services.write() as db:
        await users.leave(db, ada.id, now - COME_BACK_WITHIN - timedelta(days=1))
    await tell(services)
    async with services.write() as db:
        await users.erase(db, ada.id, now)
    for _ in range(2):
        await tell(services)
        await fold(services)
    async with services.database.read() as db:
        for table in ("likes", "bookmarks", "reposts", "poll_votes"):
            left = await db.execute(
                text(f"select count(*) from engage.{table} where user_id = :id"),  # noqa: S608 - ours
                {"id": ada.id},
            )
            assert left.scalar_one() == 0
        counts = await engagement.counts(db, items)
        votes = await engagement.votes(db, items[:1])
    first = counts[items[0]]
    assert (first.likes, first.bookmarks, first.reposts) == (1, 1, 1)
    assert {each.likes for item_id, each in counts.items() if item_id != items[0]} == {0}
    assert votes[items[0]].votes[1] == 1
