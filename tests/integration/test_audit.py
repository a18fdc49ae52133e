"""The audit log: added to by those who run the house, and by nobody changed unnoticed."""

from datetime import UTC, datetime

import anyio
import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from starlette.applications import Starlette

from server import audit, auth, sources
from server.audit import AuditEntry, AuditQuery, Deed
from server.kernel.ids import new_id
from server.kernel.problems import CursorInvalid, NotAllowed
from server.kernel.services import Services
from server.kernel.viewer import VISITOR, Viewer
from server.sources import NewSource, SourceExists
from tests.people import a_user

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
ADMIN = Viewer(new_id(), "admin")


async def write(services: Services, count: int, action: str = "item.takedown") -> None:
    for number in range(count):
        async with services.write() as db:
            deed = Deed(
                action=action,
                target_kind="item",
                target_id=f"target {number}",
                note="spam, as reported",
                before={"state": "live"},
                after={"state": "retracted", "again": number, "nothing": None},
            )
            await audit.record(db, ADMIN, deed, NOW)


async def tamper(services: Services, *statements: str) -> None:
    """Do what only who owns the tables can: without the triggers."""
    async with services.database.begin() as db:
        await db.execute(text("alter table ops.audit_log disable trigger user"))
        for statement in statements:
            await db.execute(text(statement))
        await db.execute(text("alter table ops.audit_log enable trigger user"))


@pytest.mark.row("M-20")
@pytest.mark.parametrize(
    "statement",
    [
        "update ops.audit_log set note = 'nothing happened' where seq = 1",
        "delete from ops.audit_log where seq = 2",
        "truncate ops.audit_log",
        "delete from ops.audit_head",
        "truncate ops.audit_head",
    ],
)
async def test_nothing_in_the_book_can_be_changed(services: Services, statement: str) -> None:
    await write(services, 2)
    with pytest.raises(DBAPIError, match="only added to"):
        async with services.database.begin() as db:
            await db.execute(text(statement))
    async with services.database.read() as db:
        assert (await audit.verify(db)).entries == 2


@pytest.mark.parametrize(
    ("statement", "seq", "what"),
    [
        ("update ops.audit_log set note = 'nothing' where seq = 3", 3, "not what was written"),
        ("update ops.audit_log set actor_id = null where seq = 1", 1, "not what was written"),
        ("update ops.audit_log set digest = digest || '\\x00' where seq = 4", 4, "not what was"),
        ("delete from ops.audit_log where seq = 2", 2, "missing"),
        ("delete from ops.audit_log where seq >= 4", 4, "ends before its last entry, which is 5"),
    ],
)
async def test_whoever_changes_it_all_the_same_is_found_out(
    services: Services, statement: str, seq: int, what: str
) -> None:
    await write(services, 5)
    await tamper(services, statement)
    async with services.database.read() as db:
        verified = await audit.verify(db)
    assert verified.broken is not None
    assert verified.broken.seq == seq
    assert what in verified.broken.what
    assert verified.entries == seq - 1


async def test_entries_are_written_one_by_one_however_many_write(services: Services) -> None:
    async def one() -> None:
        await write(services, 3)

    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(one)
    async with services.database.read() as db:
        verified = await audit.verify(db)
    assert verified.broken is None
    assert verified.entries == 18


async def test_a_deed_that_is_rolled_back_leaves_no_entry(services: Services) -> None:
    async with services.database.engine.connect() as db, db.begin() as transaction:
        await audit.record(db, ADMIN, Deed(action="a", target_kind="b", target_id="c"), NOW)
        await transaction.rollback()
    await write(services, 1)
    async with services.database.read() as db:
        assert (await audit.verify(db)).entries == 1


async def test_pages_of_it_come_to_the_whole(services: Services) -> None:
    await write(services, 5)
    await write(services, 4, "user.suspend")
    async with services.database.read() as db:
        whole = await audit.page(db, ADMIN, AuditQuery(limit=100))
        cursor, seen = None, []
        while True:
            page = await audit.page(db, ADMIN, AuditQuery(cursor=cursor, limit=2))
            seen += page.items
            if not page.has_more:
                break
            cursor = page.next_cursor
        of_one = await audit.page(db, ADMIN, AuditQuery(target_id="target 4"))
        of_a_kind = await audit.page(db, ADMIN, AuditQuery(action="user.suspend"))
    assert [each.seq for each in seen] == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert seen == whole.items
    assert [each.seq for each in of_one.items] == [5]
    assert [each.seq for each in of_a_kind.items] == [9, 8, 7, 6]


async def test_only_an_admin_reads_it_and_by_its_own_cursor(services: Services) -> None:
    async with services.database.read() as db:
        for viewer in (VISITOR, Viewer(new_id(), "creator")):
            with pytest.raises(NotAllowed):
                await audit.page(db, viewer, AuditQuery())
        for cursor in ("x", "-1", "1" * 40, "²"):
            with pytest.raises(CursorInvalid):
                await audit.page(db, ADMIN, AuditQuery(cursor=cursor))


async def book(services: Services) -> list[AuditEntry]:
    """All that was written, the first entry first."""
    async with services.database.read() as db:
        return (await audit.page(db, ADMIN, AuditQuery(limit=200))).items[::-1]


@pytest.mark.row("M-20")
async def test_who_gave_and_took_a_role_is_in_the_book(
    app: Starlette, client: httpx2.AsyncClient
) -> None:
    services: Services = app.state.node.services
    async with services.write() as db:
        ada, mona = await a_user(db, "ada"), await a_user(db, "mona", "admin")
    token = auth.access_token(services.policy, mona, new_id(), services.clock.now())
    head = {"authorization": f"Bearer {token}"}
    for answer in (
        await client.put("/users/ada/role", json={"role": "creator"}, headers=head),
        await client.delete("/users/ada/role", headers=head),
    ):
        assert answer.status_code == 204
    assert (await client.delete("/users/nobody/role", headers=head)).status_code == 404

    given, taken = await book(services)
    for entry in (given, taken):
        assert (entry.action, entry.target_id) == ("user.role", str(ada.id))
        assert entry.actor_id == mona.id
        assert entry.request_id
    assert (given.before, given.after) == ({"role": "user"}, {"role": "creator"})
    assert (taken.before, taken.after) == ({"role": "creator"}, {"role": "user"})


@pytest.mark.row("M-20")
async def test_what_was_done_with_sources_is_in_the_book(services: Services) -> None:
    first, second = (NewSource(url=f"https://{name}.example/feed") for name in ("one", "two"))
    async with services.write() as db:
        source = await sources.add(db, ADMIN, first, NOW)
    with pytest.raises(SourceExists):
        async with services.write() as db:
            await sources.add(db, ADMIN, first, NOW)
    async with services.write() as db:
        listed, _ = await sources.add_all(db, ADMIN, [first, second], NOW)
        assert (await sources.add_all(db, ADMIN, [first, second], NOW))[0] == []
        filed = await sources.add_file(db, ADMIN, "urn:file", NewSource(url="urn:file"), b"", NOW)
        await sources.discard(db, ADMIN, [listed[0].id, new_id()], NOW)
        await sources.discard(db, ADMIN, [new_id()], NOW)

    entries = await book(services)
    assert [(each.action, each.before, each.after) for each in entries] == [
        ("source.add", {}, {"url": first.url}),
        ("source.import", {}, {str(listed[0].id): second.url}),
        ("source.give_file", {}, {"url": "urn:file"}),
        ("source.remove", {str(listed[0].id): second.url}, {}),
    ]
    assert [entries[0].target_id, entries[2].target_id] == [str(source.id), str(filed.id)]
    assert {each.actor_id for each in entries} == {ADMIN.id}
