"""The Following feed: what comes into it, what goes, and that it is the same however it is read."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from sqlalchemy import text

from server import engagement, graph, items
from server.kernel.ids import new_id
from server.kernel.problems import CursorInvalid
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.timelines import Entry, FanOut, Key, TimelineQuery, fanout, following
from server.timelines.lists import key_of
from server.timelines.model import KEPT
from tests.people import a_user, an_item
from tests.timelines import naive, post, relay, shown_of, walked, with_policy

pytestmark = pytest.mark.anyio


@pytest.fixture
def node(services: Services) -> Services:
    return with_policy(services)


async def people(services: Services, *names: str) -> list[Viewer]:
    async with services.write() as db:
        return [await a_user(db, name) for name in names]


async def follow(services: Services, who: Viewer, *usernames: str) -> None:
    async with services.write() as db:
        for username in usernames:
            await graph.follow(db, who, username)


async def posts(services: Services, *authors: Viewer) -> list[UUID]:
    made = []
    for author in authors:
        async with services.write() as db:
            made.append(await post(db, services, author))
    return made


async def ids(services: Services, reader: Viewer) -> list[UUID]:
    page = await following(services, reader, TimelineQuery())
    return [item.id for item in page.items]


@pytest.mark.row("T-04")
@pytest.mark.row("D-11")
@pytest.mark.row("D-17")
async def test_posts_of_those_one_follows_come_newest_first(node: Services) -> None:
    ada, ben, cleo = await people(node, "ada", "ben", "cleo")
    await follow(node, ada, "ben")
    first, of_cleo, own, second = await posts(node, ben, cleo, ada, ben)
    await relay(node)

    assert await ids(node, ada) == [second, own, first]
    assert await ids(node, cleo) == [of_cleo]
    # The list is there now: the next post is written into it.
    (third,) = await posts(node, ben)
    await relay(node)
    assert await ids(node, ada) == [third, second, own, first]
    assert await walked(node, ada) == await naive(node, ada)


@pytest.mark.row("D-18")
async def test_a_lost_redis_is_not_noticed(node: Services) -> None:
    ada, ben = await people(node, "ada", "ben")
    await follow(node, ada, "ben")
    made = await posts(node, *[ben] * 5)
    await relay(node)
    before = await ids(node, ada)
    await node.redis.flushall()
    (last,) = await posts(node, ben)
    await relay(node)

    assert before == made[::-1]
    assert await ids(node, ada) == [last, *made[::-1]]


@pytest.mark.row("D-23")
async def test_writing_can_be_switched_off_and_on(services: Services) -> None:
    on, off = with_policy(services), with_policy(services, timeline_fan_out=False)
    ada, ben = await people(on, "ada", "ben")
    await follow(on, ada, "ben")
    made = await posts(on, ben)
    await relay(on)
    assert await ids(on, ada) == made
    made += await posts(off, ben)
    await relay(off)

    assert await ids(off, ada) == made[::-1]
    assert await ids(on, ada) == made[::-1]


async def test_who_follows_finds_what_was_and_who_leaves_loses_it(node: Services) -> None:
    ada, ben, cleo = await people(node, "ada", "ben", "cleo")
    of_ben, of_cleo = await posts(node, ben, cleo)
    await follow(node, ada, "ben")
    await relay(node)
    assert await ids(node, ada) == [of_ben]

    await follow(node, ada, "cleo")
    await relay(node)
    assert await ids(node, ada) == [of_cleo, of_ben]

    async with node.write() as db:
        await graph.unfollow(db, ada, "ben")
    assert await ids(node, ada) == [of_cleo]
    await relay(node)
    assert await node.redis.zcard(key_of(ada.id)) == 2  # type: ignore[arg-type]

    async with node.write() as db:
        await graph.block(db, cleo, "ada")
    await relay(node)
    assert await ids(node, ada) == []


async def test_what_is_muted_comes_back(node: Services) -> None:
    ada, ben = await people(node, "ada", "ben")
    await follow(node, ada, "ben")
    made = await posts(node, ben)
    await relay(node)
    assert await ids(node, ada) == made
    async with node.write() as db:
        await graph.mute(db, ada, "ben")
    await relay(node)
    assert await ids(node, ada) == []
    async with node.write() as db:
        await graph.unmute(db, ada, "ben")
    await relay(node)
    assert await ids(node, ada) == made


async def test_what_is_deleted_is_gone_at_once_and_out_of_the_lists_soon(node: Services) -> None:
    ada, ben = await people(node, "ada", "ben")
    await follow(node, ada, "ben")
    kept, gone = await posts(node, ben, ben)
    await relay(node)
    assert await ids(node, ada) == [gone, kept]
    async with node.write() as db:
        await items.retract(db, ben, [gone])
    assert await ids(node, ada) == [kept]
    await relay(node)
    assert await node.redis.zcard(key_of(ada.id)) == 2  # type: ignore[arg-type]


async def test_an_item_comes_once_however_many_repost_it(node: Services) -> None:
    ada, ben, cleo, dan = await people(node, "ada", "ben", "cleo", "dan")
    await follow(node, ada, "ben", "cleo")
    async with node.write() as db:
        of_source = await an_item(db)
    (of_dan,) = await posts(node, dan)
    (of_ben,) = await posts(node, ben)
    for who in (ben, cleo):
        for item_id in (of_source, of_dan, of_ben):
            async with node.write() as db:
                await engagement.repost(db, who, item_id)
    await relay(node)

    page = await following(node, ada, TimelineQuery())
    assert shown_of(page) == [
        (of_dan, ben.id, True),
        (of_source, ben.id, True),
        (of_ben, ben.id, False),
    ]
    assert page.items[0].author is not None
    assert page.items[0].author.id == dan.id
    async with node.write() as db:
        await engagement.unrepost(db, ben, of_dan)
    await relay(node)
    assert (of_dan, cleo.id, True) in await walked(node, ada)
    assert await walked(node, ada) == await naive(node, ada)


@pytest.mark.row("T-15")
@pytest.mark.row("V-29")
@pytest.mark.row("K15")
async def test_an_author_with_many_followers_is_merged_in_and_comes_back(
    services: Services,
) -> None:
    node = with_policy(services, timeline_pull_from=3, timeline_push_below=1)
    star, *fans = await people(node, "star", "ada", "ben", "cleo")
    ada = fans[0]
    await follow(node, ada, "star")
    made = await posts(node, star)
    await relay(node)
    assert await ids(node, ada) == made
    for fan in fans[1:]:
        await follow(node, fan, "star")
    await relay(node)
    made += await posts(node, star)
    await relay(node)
    # The list holds what was written before: nothing is written any more, nothing is missing.
    assert await node.redis.zcard(key_of(ada.id)) == 2  # type: ignore[arg-type]
    assert await ids(node, ada) == made[::-1]

    for fan in fans[1:]:
        async with node.write() as db:
            await graph.unfollow(db, fan, "star")
    await relay(node)
    assert await node.redis.zcard(key_of(ada.id)) == 3  # type: ignore[arg-type]
    made += await posts(node, star)
    await relay(node)
    assert await node.redis.zcard(key_of(ada.id)) == 4  # type: ignore[arg-type]
    assert await ids(node, ada) == made[::-1]


async def test_what_is_older_than_the_list_is_read_all_the_same(
    node: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("timeline", "lists", "fanout"):
        monkeypatch.setattr(f"server.timelines.{module}.KEPT", 5)
    ada, ben = await people(node, "ada", "ben")
    await follow(node, ada, "ben")
    await posts(node, *[ben] * 9)
    await relay(node)
    assert await walked(node, ada, 2) == await naive(node, ada)
    await posts(node, *[ben] * 3)
    await relay(node)

    assert await node.redis.zcard(key_of(ada.id)) == 6  # type: ignore[arg-type]
    assert await walked(node, ada, 2) == await naive(node, ada)
    assert len(await walked(node, ada, 100)) == 12


async def test_a_page_is_full_though_much_of_it_is_hidden(node: Services) -> None:
    ada, ben, cleo = await people(node, "ada", "ben", "cleo")
    await follow(node, ada, "ben")
    made = await posts(node, *[ben] * 4)
    others = await posts(node, *[cleo] * 30)
    async with node.write() as db:
        for item_id in others:
            await engagement.repost(db, ben, item_id)
    await relay(node)
    async with node.write() as db:
        await graph.mute(db, ada, "cleo")

    page = await following(node, ada, TimelineQuery(limit=4))

    assert [item.id for item in page.items] == made[::-1]
    assert not page.has_more


async def test_who_follows_nobody_is_told_so(node: Services) -> None:
    ada, _ = await people(node, "ada", "ben")
    alone = await following(node, ada, TimelineQuery())
    await follow(node, ada, "ben")
    quiet = await following(node, ada, TimelineQuery())

    assert (alone.items, alone.has_more, alone.hint) == ([], False, "follow_somebody")
    assert (quiet.items, quiet.hint) == ([], None)


async def test_a_cursor_is_its_reader_s_only(node: Services) -> None:
    ada, ben = await people(node, "ada", "ben")
    await posts(node, ada)
    await relay(node)
    page = await following(node, ada, TimelineQuery())
    assert page.cursor is not None
    assert len(page.cursor) <= 120
    with pytest.raises(CursorInvalid):
        await following(node, ben, TimelineQuery(page.cursor))
    with pytest.raises(CursorInvalid):
        await following(node, ada, TimelineQuery(page.cursor[:-2] + "AA"))


async def test_a_reader_may_ask_for_one_type_only(node: Services) -> None:
    ada, ben = await people(node, "ada", "ben")
    await follow(node, ada, "ben")
    made = await posts(node, *[ben] * 6)
    async with node.write() as db:
        await db.execute(
            text("update content.items set kind = 'PHOTO' where id = :id"), {"id": made[0]}
        )
    await relay(node)

    page = await following(node, ada, TimelineQuery(limit=2, kind="PHOTO"))

    assert [item.id for item in page.items] == [made[0]]
    assert not page.has_more


@pytest.mark.row("T-27")
async def test_no_more_chunks_are_written_at_once_than_may_be(
    node: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.timelines.fanout.IN_FLIGHT", 3)
    monkeypatch.setattr("server.timelines.fanout.CHUNK", 1)
    star, *fans = await people(node, "star", *(f"fan{number}" for number in range(8)))
    for fan in fans:
        await follow(node, fan, "star")
    fan_out = FanOut(node)
    writing, most, readers = 0, 0, 0

    async def push(given: Sequence[UUID], _entry: Entry) -> int:
        nonlocal writing, most, readers
        writing, readers = writing + 1, readers + len(given)
        most = max(most, writing)
        # Whoever else may write gets to it meanwhile.
        async with node.database.read() as db:
            await db.execute(text("select 1"))
        writing -= 1
        return len(given)

    monkeypatch.setattr(fan_out.lists, "push", push)
    assert star.id is not None
    await fan_out.push(Entry(Key(1, new_id(), star.id), repost=False))

    assert readers == 9
    assert 1 < most <= 3


@pytest.mark.row("V-18")
async def test_a_page_is_fifty_unless_asked_otherwise(node: Services) -> None:
    (ada,) = await people(node, "ada")
    await posts(node, *[ada] * 51)
    await relay(node)

    page = await following(node, ada, TimelineQuery())

    assert (len(page.items), page.has_more) == (50, True)


async def test_the_numbers_are_those_that_were_asked_for(node: Services) -> None:
    policy = node.policy
    assert (policy.timeline_pull_from, policy.timeline_push_below) == (10_000, 8_000)
    assert (fanout.CHUNK, fanout.IN_FLIGHT, KEPT, policy.timeline_days) == (1_000, 100, 500, 14)


async def test_where_redis_has_no_room_timelines_are_read_from_postgres(node: Services) -> None:
    ada, ben = await people(node, "ada", "ben")
    await follow(node, ada, "ben")
    made = await posts(node, ben)
    await relay(node)
    assert await ids(node, ada) == made
    room = (await node.redis.config_get("maxmemory"))["maxmemory"]
    await node.redis.config_set("maxmemory", 1)
    try:
        made += await posts(node, ben)
        await relay(node)
        assert await ids(node, ada) == made[::-1]
    finally:
        await node.redis.config_set("maxmemory", room)
    assert await ids(node, ada) == made[::-1]
