"""Acts at the same moment, committed together, come to what they come to one by one."""

from collections import Counter
from uuid import UUID

import anyio
import pytest
from sqlalchemy import text

from server import engagement
from server.engagement import NoSuchItem, Standing, together
from server.kernel.ids import new_id
from server.kernel.problems import SignInFirst
from server.kernel.services import Services
from server.kernel.viewer import VISITOR, Viewer
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio


@pytest.fixture
async def people(services: Services) -> list[Viewer]:
    async with services.write() as db:
        return [await a_user(db, f"reader{number}") for number in range(40)]


@pytest.fixture
async def item_id(services: Services) -> UUID:
    async with services.write() as db:
        return await an_item(db)


async def count(services: Services, table: str) -> int:
    async with services.database.read() as db:
        rows = await db.execute(text(f"select count(*) from {table}"))  # noqa: S608 - our own
        return int(rows.scalar_one())


async def test_all_at_once_are_committed_together_and_each_is_answered(
    services: Services, people: list[Viewer], item_id: UUID
) -> None:
    answers: list[Standing] = []

    async def like(viewer: Viewer) -> None:
        answers.append(await together.act(services, viewer, item_id, "like"))

    async with anyio.create_task_group() as group:
        for viewer in (*people, *people):
            group.start_soon(like, viewer)
    assert all(answer.liked_by_me for answer in answers)
    assert await count(services, "engage.likes") == 40
    assert await count(services, "ops.outbox") == 40
    # A delta a batch, and not one a like.
    assert await count(services, "engage.counter_delta") < 10
    async with services.write() as db:
        await engagement.fold_once(db)
        assert (await engagement.counts(db, [item_id]))[item_id].likes == 40


async def test_what_one_cannot_do_refuses_no_other(
    services: Services, people: list[Viewer], item_id: UUID
) -> None:
    ended: Counter[str] = Counter()

    async def like(viewer: Viewer, item: UUID) -> None:
        try:
            await together.act(services, viewer, item, "like")
        except (NoSuchItem, SignInFirst) as error:
            ended[type(error).__name__] += 1
        else:
            ended["liked"] += 1

    async with anyio.create_task_group() as group:
        for viewer in people:
            group.start_soon(like, viewer, item_id)
            group.start_soon(like, viewer, new_id())
        group.start_soon(like, VISITOR, item_id)
    assert ended == {"liked": 40, "NoSuchItem": 40, "SignInFirst": 1}


async def test_each_act_is_told_and_counted_as_by_itself(
    services: Services, people: list[Viewer], item_id: UUID
) -> None:
    ada = people[0]
    acts = ("like", "like", "bookmark", "repost", "unlike", "unlike", "unbookmark", "unrepost")
    for act in acts:
        one = await together.act(services, ada, item_id, act)
        async with services.write() as db:
            assert await engagement.flags(db, ada, [item_id]) == _flags(one)
            other = await engagement.item_counts(db, [item_id])
            assert other[0].likes == 0, "nothing is folded yet"
    assert (one.counts.likes, one.counts.bookmarks, one.counts.reposts) == (0, 0, 0)
    assert await count(services, "ops.outbox") == 6


def _flags(standing: Standing) -> engagement.Flags:
    def where(flag: object) -> frozenset[UUID]:
        return frozenset({standing.id} if flag else ())

    return engagement.Flags(
        where(standing.liked_by_me),
        where(standing.bookmarked_by_me),
        where(standing.reposted_by_me),
    )


async def test_whoever_goes_away_takes_nothing_from_the_others(
    services: Services, people: list[Viewer], item_id: UUID
) -> None:
    async with anyio.create_task_group() as group:
        for viewer in people[:20]:
            group.start_soon(together.act, services, viewer, item_id, "like")
        with anyio.move_on_after(0):
            await together.act(services, people[20], item_id, "like")
    assert await count(services, "engage.likes") == 21
