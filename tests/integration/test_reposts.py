"""Reposts and votes: once each, counted exactly, told; nothing passes between the blocked."""

import asyncio

import pytest
from sqlalchemy import text

from server import engagement
from server.engagement import AlreadyVoted, NoSuchItem
from server.kernel.ids import new_id
from server.kernel.problems import SignInFirst
from server.kernel.services import Services
from server.kernel.viewer import VISITOR
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio


@pytest.mark.row("T-05")
async def test_a_repost_is_counted_and_told_once_and_can_be_taken_back(services: Services) -> None:
    async with services.write() as db:
        ada, item_id = await a_user(db, "ada"), await an_item(db)
        for _ in range(2):
            standing = await engagement.repost(db, ada, item_id)
            assert (standing.counts.reposts, standing.reposted_by_me) == (1, True)
        assert not standing.liked_by_me
        standing = await engagement.unrepost(db, ada, item_id)
        assert (standing.counts.reposts, standing.reposted_by_me) == (0, False)
        rows = await db.execute(text("select payload->>'action' from ops.outbox order by id"))
        assert list(rows.scalars()) == ["repost", "unrepost"]


async def test_nothing_passes_between_people_of_whom_one_has_blocked_the_other(
    services: Services,
) -> None:
    block = text("insert into content.blocks (user_id, target_id) values (:user, :target)")
    async with services.write() as db:
        ada, bob = await a_user(db, "ada"), await a_user(db, "bob")
        of_ada, of_bob = await an_item(db, author=ada), await an_item(db, author=bob)
        await engagement.repost(db, bob, of_ada)
        await db.execute(block, {"user": ada.id, "target": bob.id})
        for viewer, item_id in ((bob, of_ada), (ada, of_bob)):
            for act in (engagement.like, engagement.repost, engagement.bookmark):
                with pytest.raises(NoSuchItem):
                    await act(db, viewer, item_id)
        # What was done before it can be taken back.
        assert not (await engagement.unrepost(db, bob, of_ada)).reposted_by_me


@pytest.mark.row("T-37")
async def test_a_thousand_retries_at_once_are_one_repost(services: Services) -> None:
    async with services.write() as db:
        ada, item_id = await a_user(db, "ada"), await an_item(db)

    async def again() -> None:
        async with services.write() as db:
            await engagement.repost(db, ada, item_id)

    await asyncio.gather(*(again() for _ in range(30)))
    async with services.database.begin() as db:
        await engagement.fold_once(db)
        assert (await engagement.counts(db, [item_id]))[item_id].reposts == 1


@pytest.mark.row("D-03")
async def test_a_vote_is_final_and_counted_once(services: Services) -> None:
    poll_id = new_id()
    async with services.write() as db:
        ada, bob = await a_user(db, "ada"), await a_user(db, "bob")
        for _ in range(2):
            ballot = await engagement.vote(db, ada, poll_id, 1)
            assert ballot.votes.votes == (0, 1, 0, 0)
        with pytest.raises(AlreadyVoted):
            await engagement.vote(db, ada, poll_id, 0)
        assert (await engagement.vote(db, bob, poll_id, 0)).votes.votes == (1, 1, 0, 0)
        with pytest.raises(SignInFirst):
            await engagement.vote(db, VISITOR, poll_id, 0)
        assert await engagement.own_votes(db, ada, [poll_id]) == {poll_id: 1}
        assert await engagement.votes(db, [poll_id]) == {}
    async with services.database.begin() as db:
        assert await engagement.fold_once(db) == []
        assert (await engagement.votes(db, [poll_id]))[poll_id].votes == (1, 1, 0, 0)


async def test_polls_that_drifted_are_mended(services: Services) -> None:
    poll_id = new_id()
    async with services.write() as db:
        ada = await a_user(db, "ada")
        await engagement.vote(db, ada, poll_id, 2)
        await engagement.fold_once(db)
        await db.execute(text("update engage.poll_counters set votes_2 = 7, votes_0 = 1"))
        assert await engagement.rebuild_polls(db, 10) == 2
        assert await engagement.rebuild_polls(db, 10) == 0
        await engagement.fold_once(db)
        assert (await engagement.votes(db, [poll_id]))[poll_id].votes == (0, 0, 1, 0)


@pytest.mark.row("K14")
async def test_a_toggle_does_what_was_not_done(services: Services) -> None:
    async with services.write() as db:
        ada, item_id = await a_user(db, "ada"), await an_item(db)
        assert (await engagement.toggle(db, ada, item_id, "like")).liked_by_me
        assert (await engagement.toggle(db, ada, item_id, "repost")).reposted_by_me
        standing = await engagement.toggle(db, ada, item_id, "like")
        assert (standing.liked_by_me, standing.reposted_by_me) == (False, True)


async def test_what_a_person_did_is_listed_the_last_first(services: Services) -> None:
    liked = []
    for number in range(5):
        async with services.write() as db:
            if number == 0:
                ada = await a_user(db, "ada")
            liked.append(await an_item(db))
            await engagement.like(db, ada, liked[-1])
    assert ada.id is not None
    async with services.database.read() as db:
        first = await engagement.done_by(db, "like", ada.id, before=None, limit=3)
        last = first[-1]
        rest = await engagement.done_by(db, "like", ada.id, before=(last.at, last.item_id), limit=3)
        who = await engagement.done_to(db, "like", liked[0], before=None, limit=3)
    assert [each.item_id for each in (*first, *rest)] == liked[::-1]
    assert [each.user_id for each in who] == [ada.id]
