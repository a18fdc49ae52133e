"""What is kept for a while only, and goes when the while is over."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from jobs import schedule
from server import engagement
from server.engagement import actions as engagement_actions
from server.kernel.ids import new_id
from server.kernel.services import Services

pytestmark = pytest.mark.anyio

_SAW = text(
    """
    insert into engage.impressions (session_id, item_id, user_id, feed, seq, seen_at)
    values (:session, :item, :user, 'news', :days, :at)
    """
)
_LEFT = text("select seq from engage.impressions order by user_id is null, seq")


async def _saw(services: Services, user: UUID | None, *days_ago: int) -> None:
    now = services.clock.now()
    async with services.database.begin() as db:
        for days in days_ago:
            at = now - timedelta(days=days, minutes=1)
            row = {"session": new_id(), "item": new_id(), "user": user, "days": days, "at": at}
            await db.execute(_SAW, row)


async def _left(services: Services) -> list[int]:
    async with services.database.read() as db:
        return list((await db.execute(_LEFT)).scalars())


async def test_what_visitors_saw_is_forgotten_soon_and_what_readers_saw_after_90_days(
    services: Services,
) -> None:
    await _saw(services, new_id(), 1, 2, 89, 90)
    await _saw(services, None, 0, 1, 2, 89)
    await schedule.forget(services)
    assert await _left(services) == [1, 2, 89, 0, 1]


async def test_it_is_forgotten_in_batches_the_oldest_first(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engagement_actions, "SEEN_BATCH", 2)
    await _saw(services, None, 3, 4, 5)
    async with services.database.begin() as db:
        assert await engagement.forget_seen(db, services.clock.now())
    assert await _left(services) == [3]
    await schedule.forget(services)
    assert await _left(services) == []


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("user_id is null", "ix_impressions_visitors"),
        ("user_id is not null", "ix_impressions_readers"),
    ],
)
async def test_an_index_finds_what_is_forgotten(
    services: Services, condition: str, index: str
) -> None:
    oldest = f"""
        explain select ctid from engage.impressions
        where {condition} and seen_at < now() order by seen_at limit 9
        """  # noqa: S608 - of constants
    async with services.database.begin() as db:
        await db.execute(text("set local enable_seqscan = off"))
        plan = "\n".join((await db.execute(text(oldest))).scalars())
    assert index in plan
    assert "Sort" not in plan
