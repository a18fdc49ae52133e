"""The sweep that compares counters with what they count."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from jobs import schedule
from server import comments, engagement
from server.comments import Draft
from server.engagement.actions import drift_found
from server.kernel.ids import floor_of
from server.kernel.services import Services
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio


def _found() -> float:
    return float(drift_found()._value.get())


async def test_a_recount_finds_nothing_where_nothing_is_wrong_and_repairs_what_is(
    services: Services,
) -> None:
    now = services.clock.now()
    async with services.write() as db:
        ada, one, other = await a_user(db, "ada"), await an_item(db), await an_item(db)
        for item_id in (one, other):
            await engagement.like(db, ada, item_id)
            await engagement.bookmark(db, ada, item_id)
            await comments.create(db, ada, item_id, Draft("Hello"), now)
    before = _found()
    await schedule.recount(services)
    async with services.database.begin() as db:
        await engagement.fold_once(db)
        await engagement.unlike(db, ada, other)
    await schedule.recount(services)
    assert _found() == before
    async with services.database.begin() as db:
        await db.execute(text("update engage.item_counters set likes = 9, comments = 9"))
    await schedule.recount(services)
    assert _found() > before
    async with services.database.begin() as db:
        await engagement.fold_once(db)
        counted = await engagement.counts(db, [one, other])
    assert [(counted[each].likes, counted[each].comments) for each in (one, other)] == [
        (1, 1),
        (0, 1),
    ]


async def test_the_sample_is_of_the_newest_and_of_some_of_an_age(services: Services) -> None:
    async with services.database.begin() as db:
        ada = await a_user(db, "ada")
        made = [await an_item(db) for _ in range(9)]
        for item_id in made:
            await engagement.like(db, ada, item_id)
        await engagement.fold_once(db)
        oldest = floor_of(datetime(2020, 1, 1, tzinfo=UTC))
        assert sorted(await engagement.sample(db, oldest, 2)) == [*made[:2], *made[-2:]]
        assert sorted(await engagement.sample(db, made[4], 2)) == [*made[4:6], *made[-2:]]
