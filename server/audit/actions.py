"""Adding to the audit log, reading it, and finding out whether somebody changed it."""

from datetime import datetime

import structlog
from msgspec.structs import asdict

from server.audit import store
from server.audit.model import (
    BEGINNING,
    MOST_NOTE,
    AuditEntry,
    AuditPage,
    AuditQuery,
    Broken,
    Deed,
    Entry,
    Verified,
    digest_of,
)
from server.kernel.database import Db
from server.kernel.ids import new_id
from server.kernel.problems import CursorInvalid, NotAllowed
from server.kernel.viewer import Viewer

# As long as a bigint, which is what a place in the book is.
_MOST_DIGITS = 18


async def record(db: Db, viewer: Viewer, deed: Deed, now: datetime) -> None:
    """Write down a deed in the transaction that does it.

    Entries are let in one by one until they commit: it is the last thing that an action does.
    """
    last, previous = await store.hold_head(db)
    entry = Entry(
        seq=last + 1,
        id=new_id(),
        at=now,
        actor_id=viewer.id,
        action=deed.action,
        target_kind=deed.target_kind,
        target_id=deed.target_id,
        note=deed.note[:MOST_NOTE],
        before=deed.before,
        after=deed.after,
        request_id=structlog.contextvars.get_contextvars().get("request_id", ""),
    )
    await store.append(db, entry, digest_of(entry, previous))


async def page(db: Db, viewer: Viewer, query: AuditQuery) -> AuditPage:
    """Read the book, the latest entry first.

    Raises:
        NotAllowed: the viewer is no admin.
        CursorInvalid: the cursor is none that this list gave.

    """
    if not viewer.is_admin:
        raise NotAllowed("Only an admin reads the audit log.")
    kept = await store.page(db, query, _place(query.cursor), query.limit + 1)
    here = kept[: query.limit]
    cursor = str(here[-1][0].seq) if here else query.cursor
    return AuditPage(
        items=[AuditEntry(**asdict(entry), digest=digest.hex()) for entry, digest in here],
        cursor=cursor,
        next_cursor=cursor,
        has_more=len(kept) > len(here),
    )


async def verify(db: Db) -> Verified:
    """Follow the book from its beginning and tell the first entry that does not fit."""
    last, kept = await store.head(db)
    expected, previous = 1, BEGINNING
    # What is added meanwhile is left for the next time.
    async for entry, digest in store.in_order(db, last):
        broken = _misfit(entry, digest, expected, previous)
        if broken is not None:
            return Verified(expected - 1, previous.hex(), broken)
        expected, previous = entry.seq + 1, digest
    if (last, kept) != (expected - 1, previous):
        gone = Broken(expected, f"the book ends before its last entry, which is {last}")
        return Verified(expected - 1, previous.hex(), gone)
    return Verified(expected - 1, previous.hex())


def _misfit(entry: Entry, digest: bytes, expected: int, previous: bytes) -> Broken | None:
    if entry.seq != expected:
        return Broken(expected, f"it is missing: the next one is {entry.seq}")
    if digest_of(entry, previous) != digest:
        return Broken(entry.seq, "what it says is not what was written")
    return None


def _place(cursor: str | None) -> int | None:
    if not cursor:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _MOST_DIGITS):
        raise CursorInvalid
    return int(cursor)
