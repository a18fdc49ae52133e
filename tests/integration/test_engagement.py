"""Likes and bookmarks: idempotent, counted exactly, told once."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import text

from server import engagement
from server.engagement import NoSuchItem
from server.kernel.ids import new_id
from server.kernel.problems import SignInFirst
from server.kernel.services import Services
from server.kernel.viewer import VISITOR
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio


async def _events(services: Services) -> list[str]:
    async with services.database.read() as db:
        rows = await db.execute(
            text("select payload->>'action' from ops.outbox where topic = 'engagement.recorded'")
        )
        return sorted(rows.scalars())


async def _folded(services: Services, item_id: UUID) -> engagement.Counts:
    async with services.database.begin() as db:
        await engagement.fold_once(db)
        return (await engagement.counts(db, [item_id]))[item_id]


async def test_a_like_is_stored_counted_and_told_once_however_often_it_is_sent(
    services: Services,
) -> None:
    async with services.write() as db:
        ada, item_id = await a_user(db, "ada"), await an_item(db)
    for _ in range(3):
        async with services.write() as db:
            standing = await engagement.like(db, ada, item_id)
        assert standing.counts.likes == 1
        assert standing.liked_by_me
        assert not standing.bookmarked_by_me
    assert (await _folded(services, item_id)).likes == 1
    assert await _events(services) == ["like"]


async def test_whoever_acts_sees_it_counted_before_it_is_folded(services: Services) -> None:
    async with services.write() as db:
        ada, bob = await a_user(db, "ada"), await a_user(db, "bob")
        item_id = await an_item(db)
        await engagement.like(db, ada, item_id)
        standing = await engagement.like(db, bob, item_id)
        assert standing.counts.likes == 2
        assert standing.counts.version == 0
        kept = await engagement.bookmark(db, bob, item_id)
        assert (kept.counts.likes, kept.counts.bookmarks) == (2, 1)
        assert kept.liked_by_me
        assert kept.bookmarked_by_me
        gone = await engagement.unlike(db, bob, item_id)
    assert (gone.counts.likes, gone.liked_by_me, gone.bookmarked_by_me) == (1, False, True)
    counts = await _folded(services, item_id)
    assert (counts.likes, counts.bookmarks, counts.version) == (1, 1, 1)


async def test_taking_back_what_was_never_done_changes_nothing(services: Services) -> None:
    async with services.write() as db:
        ada, item_id = await a_user(db, "ada"), await an_item(db)
        assert (await engagement.unlike(db, ada, item_id)).counts.likes == 0
        assert (await engagement.unbookmark(db, ada, item_id)).counts.bookmarks == 0
    assert await _events(services) == []


async def test_only_live_items_can_be_liked_and_only_by_people(services: Services) -> None:
    async with services.database.begin() as db:
        ada = await a_user(db, "ada")
        gone = await an_item(db, state="retracted")
        for item_id in (gone, new_id()):
            with pytest.raises(NoSuchItem):
                await engagement.like(db, ada, item_id)
        with pytest.raises(SignInFirst):
            await engagement.like(db, VISITOR, await an_item(db))


async def test_the_same_like_from_many_connections_at_once_counts_once(services: Services) -> None:
    async with services.write() as db:
        ada, item_id = await a_user(db, "ada"), await an_item(db)

    async def like() -> None:
        async with services.write() as db:
            await engagement.like(db, ada, item_id)

    await asyncio.gather(*(like() for _ in range(8)))
    assert (await _folded(services, item_id)).likes == 1
    assert await _events(services) == ["like"]


async def test_flags_and_counts_are_read_for_many_items_at_once(services: Services) -> None:
    async with services.write() as db:
        ada = await a_user(db, "ada")
        liked, kept, other = [await an_item(db) for _ in range(3)]
        await engagement.like(db, ada, liked)
        await engagement.bookmark(db, ada, kept)
        await engagement.fold_once(db)
        flags = await engagement.flags(db, ada, [liked, kept, other])
        counts = await engagement.counts(db, [liked, kept, other])
        assert await engagement.flags(db, VISITOR, [liked]) == engagement.Flags()
    assert flags == engagement.Flags(frozenset([liked]), frozenset([kept]))
    assert [counts[each].likes for each in (liked, kept, other)] == [1, 0, 0]
    assert [counts[each].version for each in (liked, kept, other)] == [1, 1, 0]


async def test_an_item_that_rests_keeps_its_deltas_for_the_next_fold(services: Services) -> None:
    async with services.write() as db:
        ada = await a_user(db, "ada")
        resting, awake = await an_item(db), await an_item(db)
        await engagement.like(db, ada, resting)
        await engagement.like(db, ada, awake)
    async with services.database.begin() as db:
        assert [moved.id for moved in await engagement.fold_once(db, {resting})] == [awake]
        assert [moved.id for moved in await engagement.fold_once(db)] == [resting]
        assert await engagement.fold_once(db) == []


async def test_a_recount_repairs_by_deltas_and_says_how_many_were_wrong(
    services: Services,
) -> None:
    async with services.write() as db:
        ada, item_id = await a_user(db, "ada"), await an_item(db)
        await engagement.like(db, ada, item_id)
        await engagement.fold_once(db)
        assert await engagement.rebuild(db, [item_id]) == 0
        await db.execute(text("update engage.item_counters set likes = 7, bookmarks = 2"))
        assert await engagement.rebuild(db, [item_id]) == 2
        await engagement.fold_once(db)
        right = (await engagement.counts(db, [item_id]))[item_id]
    assert (right.likes, right.bookmarks) == (1, 0)
