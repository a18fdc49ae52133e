"""What a viewer may not see is not shown anywhere, and keeps its place where it had one."""

from uuid import UUID

import pytest
from sqlalchemy import text

from server import display, graph
from server.engagement import NoSuchItem
from server.kernel.services import Services
from server.kernel.viewer import VISITOR, Viewer
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio


async def seen(services: Services, viewer: Viewer, item_id: UUID) -> bool:
    async with services.database.read() as db:
        shown = (await display.show(db, viewer, [item_id], services.storage))[item_id]
    assert shown.retracted or shown.author is not None
    return not shown.retracted


async def opened(services: Services, viewer: Viewer, item_id: UUID) -> bool:
    async with services.database.read() as db:
        try:
            await display.one(db, viewer, item_id, services.storage)
        except NoSuchItem:
            return False
    return True


@pytest.mark.row("T-16")
async def test_a_block_hides_each_from_the_other(services: Services) -> None:
    async with services.write() as db:
        ada, ben, cleo = [await a_user(db, name) for name in ("ada", "ben", "cleo")]
        of_ada = await an_item(db, kind="TWEET", author=ada)
        of_ben = await an_item(db, kind="TWEET", author=ben)
        await graph.block(db, ada, "ben")

    assert not await seen(services, ada, of_ben)
    assert not await seen(services, ben, of_ada)
    assert not await opened(services, ben, of_ada)
    assert await seen(services, ada, of_ada)
    assert await seen(services, cleo, of_ada)
    assert await seen(services, VISITOR, of_ben)


async def test_a_mute_hides_in_feeds_only(services: Services) -> None:
    async with services.write() as db:
        ada, ben = await a_user(db, "ada"), await a_user(db, "ben")
        of_ada = await an_item(db, kind="TWEET", author=ada)
        of_ben = await an_item(db, kind="TWEET", author=ben)
        await graph.mute(db, ada, "ben")

    assert not await seen(services, ada, of_ben)
    assert await opened(services, ada, of_ben)
    assert await seen(services, ben, of_ada)


@pytest.mark.parametrize("state", ["suspended", "shadowbanned", "deleted"])
async def test_whose_account_is_not_in_order_is_seen_by_nobody_else(
    services: Services, state: str
) -> None:
    async with services.write() as db:
        ada, ben = await a_user(db, "ada"), await a_user(db, "ben")
        admin = await a_user(db, "boss", role="admin")
        item_id = await an_item(db, kind="TWEET", author=ada)
        await db.execute(
            text("update content.users set state = :state where id = :id"),
            {"state": state, "id": ada.id},
        )

    assert not await seen(services, ben, item_id)
    assert not await opened(services, VISITOR, item_id)
    assert await seen(services, ada, item_id)
    assert await opened(services, admin, item_id)
