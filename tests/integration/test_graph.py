"""Following, blocking and muting: each once, counted exactly, told to others."""

import asyncio

import pytest
from sqlalchemy import text

from server import graph
from server.graph import Blocked, NoSuchPerson, NotYourself, TooManyPeople
from server.kernel.database import Db
from server.kernel.problems import SignInFirst
from server.kernel.services import Services
from server.kernel.viewer import VISITOR, Viewer
from tests.people import a_user

pytestmark = pytest.mark.anyio


async def two(services: Services) -> tuple[Viewer, Viewer]:
    async with services.write() as db:
        return await a_user(db, "ada"), await a_user(db, "ben")


async def topics(db: Db) -> list[str]:
    return list((await db.execute(text("select topic from ops.outbox order by id"))).scalars())


@pytest.mark.row("T-03")
@pytest.mark.row("T-35")
@pytest.mark.row("D-02")
async def test_a_follow_is_made_once_counted_and_told(services: Services) -> None:
    ada, ben = await two(services)
    async with services.write() as db:
        await graph.follow(db, ada, "ben")
    async with services.write() as db:
        again = await graph.follow(db, ada, "BEN")

    async with services.database.read() as db:
        back = await graph.relation(db, ben, ada.id)  # type: ignore[arg-type]
        told = await topics(db)

    assert again.following
    assert not again.followed_by
    assert (again.counts.followers, again.counts.following) == (1, 0)
    assert back.followed_by
    assert (back.counts.followers, back.counts.following) == (0, 1)
    assert told == ["graph.followed"]


async def test_an_unfollow_leaves_no_trace(services: Services) -> None:
    ada, _ = await two(services)
    async with services.write() as db:
        await graph.follow(db, ada, "ben")
        await graph.unfollow(db, ada, "ben")
        after = await graph.unfollow(db, ada, "ben")

    async with services.database.read() as db:
        told = await topics(db)

    assert not after.following
    assert after.counts.followers == 0
    assert told == ["graph.followed", "graph.unfollowed"]


async def test_nobody_follows_themselves_or_nobody(services: Services) -> None:
    ada, _ = await two(services)
    async with services.write() as db:
        with pytest.raises(NotYourself):
            await graph.follow(db, ada, "ada")
        with pytest.raises(NoSuchPerson):
            await graph.follow(db, ada, "cleo")
        with pytest.raises(SignInFirst):
            await graph.follow(db, VISITOR, "ben")


async def test_a_block_ends_follows_both_ways_and_prevents_them(services: Services) -> None:
    ada, ben = await two(services)
    async with services.write() as db:
        await graph.follow(db, ada, "ben")
        await graph.follow(db, ben, "ada")
        blocked = await graph.block(db, ada, "ben")

    async with services.write() as db:
        with pytest.raises(Blocked):
            await graph.follow(db, ben, "ada")
        with pytest.raises(Blocked):
            await graph.follow(db, ada, "ben")
        theirs = await graph.relation(db, ben, ada.id)  # type: ignore[arg-type]
        hidden = await graph.hidden_authors(db, ben, [ada.id])  # type: ignore[list-item]
        may = await graph.may_interact(db, ben, ada.id)  # type: ignore[arg-type]
        lifted = await graph.unblock(db, ada, "ben")
        told = await topics(db)

    assert blocked.blocking
    assert not blocked.following
    assert blocked.counts.followers == blocked.counts.following == 0
    assert (theirs.counts.followers, theirs.counts.following) == (0, 0)
    assert not theirs.blocking
    assert hidden == {ada.id}
    assert not may
    assert not lifted.blocking
    assert not lifted.following
    assert told[2:] == ["graph.blocked", "graph.unfollowed", "graph.unfollowed", "graph.unblocked"]


async def test_a_mute_hides_without_ending_a_follow(services: Services) -> None:
    ada, ben = await two(services)
    async with services.write() as db:
        await graph.follow(db, ada, "ben")
        muted = await graph.mute(db, ada, "ben")
        hidden = await graph.hidden_authors(db, ada, [ben.id])  # type: ignore[list-item]
        back = await graph.hidden_authors(db, ben, [ada.id])  # type: ignore[list-item]
        may = await graph.may_interact(db, ada, ben.id)  # type: ignore[arg-type]
        heard = await graph.unmute(db, ada, "ben")

    assert muted.muting
    assert muted.following
    assert hidden == {ben.id}
    assert back == set()
    assert may
    assert not heard.muting


async def test_nobody_follows_more_than_so_many(services: Services) -> None:
    ada, _ = await two(services)
    async with services.write() as db:
        await a_user(db, "cleo")
        await graph.follow(db, ada, "ben", most=1)
        with pytest.raises(TooManyPeople):
            await graph.follow(db, ada, "cleo", most=1)


async def test_a_follow_and_a_block_at_once_never_leave_both(services: Services) -> None:
    ada, ben = await two(services)

    async def follow() -> None:
        async with services.write() as db:
            await graph.follow(db, ada, "ben")

    async def block() -> None:
        async with services.write() as db:
            await graph.block(db, ben, "ada")

    await asyncio.gather(follow(), block(), return_exceptions=True)

    async with services.database.read() as db:
        relation = await graph.relation(db, ben, ada.id)  # type: ignore[arg-type]

    assert relation.blocking
    assert not relation.followed_by
    assert relation.counts.following == 0


async def test_two_who_follow_each_other_at_once_do_not_deadlock(services: Services) -> None:
    ada, ben = await two(services)

    async def act(viewer: Viewer, username: str) -> None:
        async with services.write() as db:
            await graph.follow(db, viewer, username)
        async with services.write() as db:
            await graph.unfollow(db, viewer, username)

    await asyncio.gather(*(act(ada, "ben") for _ in range(4)), *(act(ben, "ada") for _ in range(4)))

    async with services.database.read() as db:
        relation = await graph.relation(db, ada, ben.id)  # type: ignore[arg-type]

    assert relation.counts.followers == relation.counts.following == 0
