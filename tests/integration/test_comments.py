"""Comments: threads, pages, counters, and what is told of them."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec import UNSET
from sqlalchemy import text

from server import comments, engagement, items
from server.comments import (
    CommentPage,
    CommentsClosed,
    Draft,
    Edit,
    TooDeep,
    Wanted,
)
from server.engagement import NoSuchItem
from server.kernel.ids import new_id
from server.kernel.problems import CursorInvalid, Malformed, NotAllowed, SignInFirst
from server.kernel.services import Services
from server.kernel.viewer import VISITOR, Viewer
from server.posts import TooLateToEdit
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio


async def _write(
    services: Services, viewer: Viewer, item_id: UUID, body: str, parent: UUID | None = None
) -> UUID:
    async with services.write() as db:
        now = services.clock.now()
        return await comments.create(db, viewer, item_id, Draft(body, parent), now)


async def _page(
    services: Services, item_id: UUID, cursor: str | None = None, limit: int = 20, **more: Any
) -> CommentPage:
    wanted = Wanted(services.policy.secret, cursor, limit, **more)
    async with services.database.read() as db:
        return await comments.page(db, VISITOR, item_id, services.storage, wanted)


async def _counts(services: Services, *ids: UUID) -> list[int]:
    async with services.database.begin() as db:
        await engagement.fold_once(db)
        counts = await engagement.counts(db, ids)
    return [counts[each].comments for each in ids]


async def _two(services: Services) -> tuple[Viewer, Viewer, UUID]:
    async with services.write() as db:
        return await a_user(db, "ada"), await a_user(db, "bob"), await an_item(db)


@pytest.mark.row("K23")
async def test_a_comment_is_an_item_with_a_place_and_is_counted_and_told(
    services: Services,
) -> None:
    ada, bob, item_id = await _two(services)
    first = await _write(services, ada, item_id, "  What a story. \r\n\r\nMore & <more>.  ")
    answer = await _write(services, bob, item_id, "Indeed.", first)
    page = await _page(services, item_id)
    assert [each.id for each in page.items] == [answer, first]
    newest, oldest = page.items
    assert (newest.parent_id, newest.depth, newest.target_id) == (first, 1, item_id)
    assert (oldest.parent_id, oldest.depth, oldest.type) == (None, 0, "COMMENT")
    assert oldest.body_text == "What a story. \n\nMore & <more>."
    assert oldest.body_html == "<p>What a story.</p><p>More &amp; &lt;more&gt;.</p>"
    assert oldest.author is not None
    assert oldest.author.username == "ada"
    assert oldest.liked_by_me is UNSET
    assert await _counts(services, item_id, first, answer) == [2, 1, 0]
    async with services.database.read() as db:
        told = await db.execute(
            text("select payload->>'id' from ops.outbox where topic = 'comment.created'")
        )
        assert sorted(told.scalars()) == sorted([str(first), str(answer)])


async def test_the_answers_to_a_comment_are_listed_under_it(services: Services) -> None:
    ada, bob, item_id = await _two(services)
    first = await _write(services, ada, item_id, "One")
    under_it = await _write(services, bob, first, "Written under the comment itself")
    page = await _page(services, first)
    assert [(each.id, each.parent_id) for each in page.items] == [(under_it, first)]
    assert [each.id for each in (await _page(services, item_id)).items] == [under_it, first]


async def test_the_same_comment_sent_twice_is_one(services: Services) -> None:
    ada, bob, item_id = await _two(services)
    once = await _write(services, ada, item_id, "Me first!")
    assert await _write(services, ada, item_id, "Me first!") == once
    assert await _write(services, bob, item_id, "Me first!") != once
    assert await _write(services, ada, item_id, "Me first!", once) != once
    assert await _counts(services, item_id) == [3]


@pytest.mark.row("K20")
async def test_pages_follow_each_other_without_gap_or_repeat(services: Services) -> None:
    ada, _, item_id = await _two(services)
    written = [await _write(services, ada, item_id, f"Number {n}") for n in range(5)]
    seen: list[UUID] = []
    cursor, more = None, True
    while more:
        page = await _page(services, item_id, cursor, limit=2)
        seen += [each.id for each in page.items]
        assert page.cursor == page.next_cursor
        cursor, more = page.cursor, page.has_more
    assert seen == written[::-1]
    assert cursor is not None
    async with services.write() as db:
        other = await an_item(db)
    for forged in (cursor[:-2], "x", cursor.swapcase()):
        with pytest.raises(CursorInvalid):
            await _page(services, item_id, forged)
    with pytest.raises(CursorInvalid):
        await _page(services, other, cursor)


async def test_a_thread_goes_eight_deep_and_no_deeper(services: Services) -> None:
    ada, _, item_id = await _two(services)
    parent = None
    for depth in range(9):
        parent = await _write(services, ada, item_id, f"At {depth}", parent)
    with pytest.raises(TooDeep):
        await _write(services, ada, item_id, "Too deep", parent)


async def test_who_may_not_write_and_what_cannot_be_written_under(services: Services) -> None:
    ada, bob, item_id = await _two(services)
    elsewhere = await _write(services, ada, item_id, "Here")
    async with services.write() as db:
        gone, other = await an_item(db, state="retracted"), await an_item(db)
        await db.execute(
            text("update content.users set state = 'suspended' where id = :id"), {"id": bob.id}
        )
    for item, parent in ((gone, None), (new_id(), None), (other, elsewhere), (item_id, new_id())):
        with pytest.raises(NoSuchItem):
            await _write(services, ada, item, "Hm", parent)
    for body in ("", "  \n ", "x" * 2001, "e" + "\u0301" * 20_000, "\x00\x01"):
        with pytest.raises(Malformed):
            await _write(services, ada, item_id, body)
    with pytest.raises(NotAllowed):
        await _write(services, bob, item_id, "Hello")
    for nobody in (VISITOR, Viewer(new_id(), "user")):
        with pytest.raises(SignInFirst):
            await _write(services, nobody, item_id, "Hello")
    with pytest.raises(NoSuchItem):
        await _page(services, gone)


async def test_a_retracted_comment_keeps_its_place_and_takes_no_answers(
    services: Services,
) -> None:
    ada, bob, item_id = await _two(services)
    first = await _write(services, ada, item_id, "To be gone")
    async with services.write() as db:
        await items.retract(db, ada, [first])
    page = await _page(services, item_id)
    assert [(each.id, each.retracted, each.body_text) for each in page.items] == [
        (first, True, None)
    ]
    with pytest.raises(NoSuchItem):
        await _write(services, bob, item_id, "Too late", first)


async def test_an_ingested_comment_gets_its_place_once(services: Services) -> None:
    async with services.write() as db:
        item_id = await an_item(db)
        chain = [await an_item(db, kind="COMMENT") for _ in range(11)]
        at = services.clock.now() - timedelta(days=1)
        for comment_id, parent_id in zip(chain, [None, *chain], strict=False):
            given = {"comment_id": comment_id, "target_id": item_id, "parent_id": parent_id}
            assert await comments.adopt(db, **given, at=at)
            assert not await comments.adopt(db, **given, at=at)
        threads = await comments.threads(db, chain)
    assert [threads[each].depth for each in chain] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8]
    assert await _counts(services, item_id, chain[0], chain[7]) == [11, 1, 3]


async def test_a_recount_finds_and_repairs_a_wrong_counter(services: Services) -> None:
    ada, _, item_id = await _two(services)
    await _write(services, ada, item_id, "One")
    async with services.database.begin() as db:
        assert await comments.rebuild(db, [item_id]) == 0
    assert await _counts(services, item_id) == [1]
    async with services.database.begin() as db:
        await db.execute(text("update engage.item_counters set comments = 9"))
    async with services.database.begin() as db:
        assert await comments.rebuild(db, [item_id]) == 1
    assert await _counts(services, item_id) == [1]


@pytest.mark.row("T-05")
async def test_threads_are_read_from_either_end_and_unfolded(services: Services) -> None:
    ada, bob, item_id = await _two(services)
    first = await _write(services, ada, item_id, "First")
    answer = await _write(services, bob, item_id, "Answer", first)
    second = await _write(services, ada, item_id, "Second")
    everything = await _page(services, item_id, sort="oldest")
    assert [each.id for each in everything.items] == [first, answer, second]
    tops = await _page(services, item_id, view="threads")
    assert [each.id for each in tops.items] == [second, first]
    begin = await _page(services, item_id, sort="oldest", view="threads", limit=1)
    rest = await _page(services, item_id, begin.cursor, sort="oldest", view="threads")
    assert [each.id for each in (*begin.items, *rest.items)] == [first, second]
    with pytest.raises(CursorInvalid):
        await _page(services, item_id, begin.cursor)


async def _delete(services: Services, viewer: Viewer, comment_id: UUID) -> None:
    async with services.write() as db:
        await comments.delete(db, viewer, comment_id, services.clock.now())


@pytest.mark.row("T-05")
async def test_a_deleted_comment_keeps_its_place_while_it_has_answers(services: Services) -> None:
    ada, bob, item_id = await _two(services)
    first = await _write(services, ada, item_id, "To be gone")
    answer = await _write(services, bob, item_id, "An answer", first)
    lonely = await _write(services, ada, item_id, "Nobody answers")
    with pytest.raises(NotAllowed):
        await _delete(services, bob, first)
    for gone in (first, first, lonely):
        await _delete(services, ada, gone)
    page = await _page(services, item_id)
    assert [(each.id, each.retracted) for each in page.items] == [(answer, False), (first, True)]
    assert await _counts(services, item_id, first) == [2, 1]
    # With its last answer goes the place that was kept for it.
    await _delete(services, bob, answer)
    assert (await _page(services, item_id)).items == []
    assert await _counts(services, item_id) == [0]
    async with services.write() as db:
        assert await comments.rebuild(db, [item_id, first]) == 0
    with pytest.raises(NoSuchItem):
        await _delete(services, ada, item_id)


async def test_an_answer_and_a_deletion_at_once_leave_a_place_or_no_answer(
    services: Services,
) -> None:
    ada, bob, item_id = await _two(services)
    for number in range(8):
        first = await _write(services, ada, item_id, f"Number {number}")
        await asyncio.gather(
            _delete(services, ada, first),
            _write(services, bob, item_id, f"Answer {number}", first),
            return_exceptions=True,
        )
    async with services.database.read() as db:
        orphans = text(
            "select count(*) from content.comments a where parent_id is not null and not exists"
            " (select from content.comments p where p.id = a.parent_id)"
        )
        assert (await db.execute(orphans)).scalar_one() == 0
    async with services.write() as db:
        assert await comments.rebuild(db, [item_id]) == 0


async def test_a_comment_is_edited_by_its_author_for_a_while(services: Services) -> None:
    ada, bob, item_id = await _two(services)
    first = await _write(services, ada, item_id, "One for @bob")

    async def edit(viewer: Viewer, body: str, later: timedelta = timedelta()) -> None:
        async with services.write() as db:
            now = services.clock.now() + later
            await comments.edit(db, viewer, first, Edit(body), 900.0, now)

    await edit(ada, "Two for @bob and @ada")
    (shown,) = (await _page(services, item_id)).items
    assert shown.body_text == "Two for @bob and @ada"
    assert shown.edited_at is not None
    with pytest.raises(NotAllowed):
        await edit(bob, "Three")
    with pytest.raises(TooLateToEdit):
        await edit(ada, "Three", timedelta(minutes=16))
    with pytest.raises(Malformed):
        await edit(ada, " ")
    async with services.database.read() as db:
        rows = await db.execute(
            text("select topic, payload->'mentions' from ops.outbox where topic like 'comment.%'")
        )
        assert sorted(rows.all()) == [
            ("comment.created", [str(bob.id)]),
            ("comment.edited", []),
        ]


async def test_nobody_writes_to_who_blocked_them_or_takes_no_comments(services: Services) -> None:
    ada, bob, _ = await _two(services)
    async with services.write() as db:
        of_ada = await an_item(db, author=ada)
    first = await _write(services, ada, of_ada, "Mine")
    settings = text("update content.users set settings = cast(:given as jsonb) where id = :id")
    for audience in ("nobody", "followed"):
        async with services.write() as db:
            given = f'{{"who_may_comment": "{audience}"}}'
            await db.execute(settings, {"given": given, "id": ada.id})
        with pytest.raises(CommentsClosed):
            await _write(services, bob, of_ada, "Hello", first)
        await _write(services, ada, of_ada, f"Me again, {audience}")
    async with services.write() as db:
        await db.execute(
            text("insert into content.follows (follower_id, followee_id) values (:ada, :bob)"),
            {"ada": ada.id, "bob": bob.id},
        )
    await _write(services, bob, of_ada, "Hello", first)
    async with services.write() as db:
        await db.execute(
            text("insert into content.blocks (user_id, target_id) values (:ada, :bob)"),
            {"ada": ada.id, "bob": bob.id},
        )
    with pytest.raises(NoSuchItem):
        await _write(services, bob, of_ada, "Hello again", first)
