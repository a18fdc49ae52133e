"""Items as a viewer sees them."""

from typing import Any

import pytest
from msgspec import UNSET
from sqlalchemy import event

from server import display, engagement, items
from server.engagement import NoSuchItem
from server.kernel.ids import new_id
from server.kernel.services import Services
from server.kernel.viewer import VISITOR, Viewer
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio


async def test_an_item_carries_its_author_its_counts_and_what_the_viewer_did(
    services: Services,
) -> None:
    async with services.write() as db:
        ada = await a_user(db, "ada")
        item_id = await an_item(db, kind="TWEET", author=ada)
        await engagement.like(db, ada, item_id)
        await engagement.fold_once(db)
        shown = (await display.show(db, ada, [item_id], services.storage))[item_id]
        for_visitors = (await display.show(db, VISITOR, [item_id], services.storage))[item_id]
    assert shown.author == display.AuthorRef(name="Ada", id=ada.id, username="ada")
    assert (shown.type, shown.title, shown.body_html) == ("TWEET", "A title", None)
    assert shown.embedding_id == f"all-MiniLM-L6-v2:{item_id}"
    assert shown.counts is not UNSET
    assert shown.counts.likes == 1
    assert (shown.liked_by_me, shown.bookmarked_by_me) == (True, False)
    assert for_visitors.liked_by_me is UNSET


async def test_what_is_gone_keeps_its_place_and_says_nothing_else(services: Services) -> None:
    admin = Viewer(new_id(), "admin")
    async with services.write() as db:
        kept, gone, never = await an_item(db), await an_item(db), new_id()
        await items.retract(db, admin, [gone])
        shown = await display.show(db, VISITOR, [gone, kept, never], services.storage)
        assert list(shown) == [gone, kept, never]
        assert shown[gone] == display.Item(id=gone, retracted=True)
        assert shown[never] == display.Item(id=never, retracted=True)
        assert not shown[kept].retracted
        with pytest.raises(NoSuchItem):
            await display.one(db, VISITOR, gone, services.storage)


@pytest.mark.row("D-19")
async def test_a_page_costs_as_many_reads_as_one_item(services: Services) -> None:
    async with services.write() as db:
        reader = await a_user(db, "reader")
        people = [await a_user(db, f"writer{n}") for n in range(8)]
        ids = [await an_item(db, kind="TWEET", author=each) for each in people]
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(services.database.engine.sync_engine, "before_cursor_execute", note)
    counts = []
    for wanted in (ids[:1], ids):
        statements.clear()
        async with services.database.read() as db:
            await display.show(db, reader, wanted, services.storage)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 7
