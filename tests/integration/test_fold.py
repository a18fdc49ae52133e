"""The folder: at once, then paced, by lease, and patient with its stores."""

import asyncio
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text

from realtime import PublishFailed
from server import engagement
from server.engagement import fold
from server.engagement.fold import Folder
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio


class Told:
    """What was published, or that nothing can be."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []
        self.fails = False
        self.changed = asyncio.Event()

    async def broadcast(self, topic: str, event: str, payload: object) -> None:
        if self.fails:
            raise PublishFailed
        assert topic == engagement.COUNTERS_TOPIC
        self.events.append((event, msgspec.to_builtins(payload)))
        if event == engagement.COUNTERS_EVENT:
            self.changed.set()

    def likes(self) -> list[int]:
        return [
            item["likes"] for event, payload in self.events for item in payload.get("items", [])
        ]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def folder(services: Services, told: Told) -> Folder:
    return Folder(services.with_publisher(told))


async def _people(services: Services) -> tuple[list[Viewer], UUID]:
    async with services.write() as db:
        return [await a_user(db, f"fan{n}") for n in range(4)], await an_item(db)


async def _like(services: Services, viewer: Viewer, item_id: UUID) -> None:
    async with services.write() as db:
        await engagement.like(db, viewer, item_id)


async def test_the_first_change_is_told_at_once_and_the_next_after_a_rest(
    services: Services, folder: Folder, told: Told
) -> None:
    fans, item_id = await _people(services)
    await _like(services, fans[0], item_id)
    assert await folder.turn(100.0) == pytest.approx(0.1)
    assert told.likes() == [1]
    for number, now in ((1, 100.01), (2, 100.09)):
        await _like(services, fans[number], item_id)
        assert await folder.turn(now) == pytest.approx(100.1 - now)
    assert told.likes() == [1]
    await folder.turn(100.1)
    assert told.likes() == [1, 3]
    assert await folder.turn(100.3) == fold.POLL_SECONDS


async def test_an_item_that_rests_holds_up_no_other(
    services: Services, folder: Folder, told: Told
) -> None:
    fans, item_id = await _people(services)
    await _like(services, fans[0], item_id)
    await folder.turn(100.0)
    async with services.write() as db:
        other = await an_item(db)
    await _like(services, fans[0], other)
    await _like(services, fans[1], item_id)
    await folder.turn(100.05)
    assert told.likes() == [1, 1]
    assert told.events[-1][1]["items"][0]["id"] == str(other)


async def test_one_folds_and_the_other_takes_over_when_the_lease_ends(
    services: Services, folder: Folder, told: Told
) -> None:
    fans, item_id = await _people(services)
    second = Folder(services.with_publisher(told))
    await folder.turn(100.0)
    await _like(services, fans[0], item_id)
    assert await second.turn(100.0) == fold.RENEW_SECONDS
    assert told.likes() == []
    await folder.retire()
    await second.turn(100.5)
    assert told.likes() == [1]
    # Whoever takes over says that something may have been missed, before anything else.
    assert [event for event, _ in told.events] == ["missed", "missed", "changed"]


async def test_a_folder_whose_lease_another_took_folds_nothing_more(
    services: Services, folder: Folder, told: Told
) -> None:
    fans, item_id = await _people(services)
    await folder.turn(100.0)
    async with services.database.begin() as db:
        await db.execute(text("update ops.leases set holder = gen_random_uuid()"))
    await _like(services, fans[0], item_id)
    await folder.turn(100.0 + fold.RENEW_SECONDS)
    assert told.likes() == []


async def test_counters_are_folded_also_when_nobody_can_be_told(
    services: Services, folder: Folder, told: Told
) -> None:
    fans, item_id = await _people(services)
    told.fails = True
    await _like(services, fans[0], item_id)
    await folder.turn(100.0)
    async with services.database.read() as db:
        [counts] = await engagement.item_counts(db, [item_id])
    assert (counts.likes, counts.version) == (1, 1)


async def test_what_was_folded_is_swept_now_and_then(services: Services, folder: Folder) -> None:
    fans, item_id = await _people(services)
    swept = text("select vacuum_count from pg_stat_user_tables where relname = 'counter_delta'")
    counts = []
    for number, now in enumerate((100.0, 101.0, 100.0 + fold.SWEEP_SECONDS)):
        await _like(services, fans[number], item_id)
        await folder.turn(now)
        async with services.database.read() as db:
            counts.append((await db.execute(swept)).scalar_one())
    assert counts == [1, 1, 2]


async def test_the_loop_folds_when_it_is_woken_and_lets_go_when_it_ends(
    services: Services, told: Told
) -> None:
    fans, item_id = await _people(services)
    heard = asyncio.Event()
    folding = asyncio.create_task(engagement.fold_forever(services.with_publisher(told), heard))
    await _like(services, fans[0], item_id)
    heard.set()
    async with asyncio.timeout(30):
        await told.changed.wait()
    assert told.likes() == [1]
    folding.cancel()
    await asyncio.gather(folding, return_exceptions=True)
    async with services.database.read() as db:
        held = await db.execute(text("select count(*) from ops.leases where name = 'fold'"))
        assert held.scalar_one() == 0
