"""Neighbourhoods: asked for once, kept, forgotten with what is gone, asked for ahead."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from server.feed.related import ENOUGH, Related, shortages
from server.kernel.ids import new_id
from server.kernel.services import Services
from tests import newsroom

pytestmark = pytest.mark.anyio


class Counting(Related):
    """Says what it asked the database for."""

    def __init__(self, services: Services, **options) -> None:
        super().__init__(services, **options)
        self.asked: list[list[int]] = []
        self.began = asyncio.Event()
        self.now = 0.0
        self._time = lambda: self.now

    async def _near(self, ids, since):
        self.asked.append([self.order.index(each) for each in ids])
        self.began.set()
        return await super()._near(ids, since)

    order: list[UUID]


@pytest.fixture
async def stock(services: Services) -> list[UUID]:
    return await newsroom.fill(services.database)


@pytest.fixture
def related(services: Services, stock: list[UUID]) -> Counting:
    made = Counting(services, most=4)
    made.order = stock
    return made


async def test_neighbours_come_nearest_first_with_how_near_they_are_to_one_another(related, stock):
    found = await related.of([stock[0], stock[1]])
    for featured in stock[:2]:
        near = found[featured]
        cosines = [member.similarity for member in near.members]
        assert cosines == sorted(cosines, reverse=True)
        assert cosines[0] > 0.5
        assert featured not in {member.candidate.id for member in near.members}
        assert near.pairs.shape == (len(near.members), len(near.members))
        assert near.pairs[0, 0] == pytest.approx(1, abs=1e-3)
        topics = {member.candidate.category for member in near.members[:15]}
        assert topics == {newsroom.TOPICS[stock.index(featured)]}


async def test_whoever_asks_at_once_asks_once_and_what_is_known_is_not_asked(related, stock):
    one, two, three = stock[:3]
    await asyncio.gather(related.of([one, two]), related.of([two, three]), related.of([one]))
    await related.of([one, two, three])
    assert related.asked == [[0, 1], [2]]


async def test_what_is_old_is_asked_again(related, stock):
    await related.of([stock[0]])
    related.now = 599.0
    await related.of([stock[0]])
    related.now = 601.0
    await related.of([stock[0]])
    assert related.asked == [[0], [0]]


async def test_what_was_used_longest_ago_is_given_up_first(related, stock):
    await related.of(stock[:4])
    await related.of([stock[0]])
    await related.of([stock[4]])
    await related.of([stock[0]])
    await related.of([stock[1]])
    assert related.asked == [[0, 1, 2, 3], [4], [1]]


async def test_what_is_gone_is_forgotten_and_only_where_it_was(related, stock):
    found = await related.of([stock[0], stock[1]])
    gone = found[stock[0]].members[0].candidate.id
    assert gone not in {member.candidate.id for member in found[stock[1]].members[:1]}
    near_one = {member.candidate.id for member in found[stock[1]].members}
    only_zero = next(
        member.candidate.id
        for member in found[stock[0]].members
        if member.candidate.id not in near_one and member.candidate.id != stock[1]
    )
    related.forget({only_zero})
    await related.of([stock[0], stock[1]])
    assert related.asked[1:] == [[0]]
    related.forget()
    await related.of([stock[1]])
    assert related.asked[2:] == [[1]]


async def test_an_answer_that_was_on_its_way_when_something_went_is_not_kept(related, stock):
    asking = asyncio.create_task(related.of([stock[0]]))
    await related.began.wait()
    related.forget({new_id()})
    assert stock[0] in await asking
    await related.of([stock[0]])
    assert related.asked == [[0], [0]]


async def test_an_item_that_is_not_there_has_nothing_near(related, stock):
    nobody = new_id()
    related.order = [*stock, nobody]
    before = shortages._value.get()
    found = await related.of([nobody])
    assert found[nobody].members == ()
    assert shortages._value.get() == before + 1


async def test_where_little_is_near_the_window_is_widened_at_once(services, related):
    now = datetime.now(UTC)
    async with services.write() as db:
        await db.execute(text("delete from content.item_embeddings"))
        source = await newsroom.add_source(db, 50)
        ids = [
            await newsroom.add_item(
                db, kind="TWEET", source=source, topic=0, at=now - timedelta(days=days), number=days
            )
            for days in (1, 2, 20, 40)
        ]
    related.order = ids
    found = await related.of([ids[0]])
    assert [member.candidate.id for member in found[ids[0]].members] != []
    assert {member.candidate.id for member in found[ids[0]].members} == {ids[1], ids[2]}
    assert related.asked == [[0], [0]]
    assert len(found[ids[0]].members) < ENOUGH


async def test_what_is_expected_is_asked_for_ahead_a_few_at_a_time(services, stock):
    related = Counting(services)
    related.order = stock
    await related.of([stock[3]])
    related.expect(stock[:20])
    task = related._asking_ahead
    related.expect(stock[:12])
    await task
    assert related.asked == [[3], [0, 1, 2, 4, 5, 6, 7, 8], [9, 10, 11]]
    await related.of(stock[:12])
    assert len(related.asked) == 3
    related.now = 301.0
    related.expect(stock[:2])
    await related._asking_ahead
    assert related.asked[3:] == [[0, 1]]
    await related.close()
