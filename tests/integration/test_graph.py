"""Following, blocking and muting: each once, counted exactly, told to others."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest
from sqlalchemy import text
from starlette.applications import Starlette

from server import auth, graph, users
from server.graph import Blocked, NoSuchPerson, NotYourself, TooManyPeople
from server.graph import actions as graph_actions
from server.graph.model import PeopleQuery
from server.graph.reactions import end_ties
from server.kernel.database import Db
from server.kernel.ids import new_id
from server.kernel.problems import SignInFirst
from server.kernel.services import Services
from server.kernel.viewer import VISITOR, Viewer
from server.users import AccountSettings
from server.users.events import UserErased
from tests.integration.conftest import client_of
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


@pytest.fixture
async def ada(app: Starlette, services: Services) -> AsyncIterator[httpx2.AsyncClient]:
    async with services.write() as db:
        viewer = await a_user(db, "ada")
        for number in range(5):
            fan = await a_user(db, f"fan{number}")
            await graph.follow(db, fan, "ada")
    token = auth.access_token(services.policy, viewer, new_id(), services.clock.now())
    async with client_of(app) as client:
        client.headers["authorization"] = f"Bearer {token}"
        yield client


async def test_over_http_a_follow_answers_the_relation(ada: httpx2.AsyncClient) -> None:
    followed = await ada.put("/users/fan1/follow")
    again = await ada.put("/users/fan1/follow")
    unfollowed = await ada.delete("/users/fan1/follow")
    itself = await ada.put("/users/ada/follow")
    nobody = await ada.put("/users/nobody9/block")

    assert followed.status_code == 200
    assert followed.json() == again.json()
    assert followed.json()["following"] is True
    assert followed.json()["followed_by"] is True
    assert followed.json()["counts"] == {"followers": 1, "following": 1}
    assert unfollowed.json()["following"] is False
    assert (itself.status_code, itself.json()["reason"]) == (409, "not_yourself")
    assert (nobody.status_code, nobody.json()["reason"]) == (404, "no_such_person")


async def test_lists_of_followers_come_in_pages(ada: httpx2.AsyncClient) -> None:
    first = (await ada.get("/users/ada/followers?limit=3")).json()
    second = (await ada.get(f"/users/ada/followers?limit=3&cursor={first['cursor']}")).json()
    foreign = await ada.get(f"/users/ada/following?cursor={first['cursor']}")
    theirs = (await ada.get("/users/fan0/following")).json()

    names = [each["username"] for each in [*first["items"], *second["items"]]]
    assert sorted(names) == [f"fan{number}" for number in range(5)]
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert first["cursor"] == first["next_cursor"]
    assert (foreign.status_code, foreign.json()["reason"]) == (400, "cursor_invalid")
    assert [each["username"] for each in theirs["items"]] == ["ada"]


async def test_who_is_blocked_sees_no_list(ada: httpx2.AsyncClient) -> None:
    await ada.put("/users/fan0/block")

    assert (await ada.get("/users/fan0/followers")).status_code == 404
    kept = (await ada.get("/users/ada/followers")).json()
    assert "fan0" not in [each["username"] for each in kept["items"]]


async def test_a_private_list_is_its_owner_s_only(
    ada: httpx2.AsyncClient, services: Services
) -> None:
    async with services.write() as db:
        fan = await users.by_username(db, "fan0")
        assert fan is not None
        await users.set_settings(db, fan.id, AccountSettings(private_follower_lists=True))

    refused = await ada.get("/users/fan0/following")

    assert (refused.status_code, refused.json()["reason"]) == (403, "list_private")
    async with services.database.read() as db:
        theirs = Viewer(fan.id, "user")
        own = await graph_actions.following_page(db, theirs, "fan0", "secret", PeopleQuery())
    assert [each.username for each in own.items] == ["ada"]


async def test_who_is_gone_for_good_leaves_exact_counts(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.graph.actions.ENDED_AT_ONCE", 2)
    ada, _ = await two(services)
    async with services.write() as db:
        await graph.follow(db, ada, "ben")
        for number in range(5):
            fan = await a_user(db, f"fan{number}")
            await graph.follow(db, fan, "ada")
            await graph.follow(db, ada, f"fan{number}")
        await graph.block(db, ada, "fan0")
    async with services.write() as db:
        await end_ties(services, db, UserErased(ada.id))  # type: ignore[arg-type]
        left = (await db.execute(text("select count(*) from content.follows"))).scalar_one()
        blocks = (await db.execute(text("select count(*) from content.blocks"))).scalar_one()
        counted = await db.execute(
            text("select sum(follower_count) + sum(following_count) from content.users")
        )

    assert (left, blocks, counted.scalar_one()) == (0, 0, 0)
