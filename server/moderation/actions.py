"""What the house does with items and people, and that each deed is in the book."""

from datetime import datetime
from uuid import UUID

from server import audit, auth, items, users
from server.audit import Deed
from server.kernel import outbox
from server.kernel.database import Db
from server.kernel.problems import Conflict, NotAllowed, NotFound
from server.kernel.viewer import Viewer
from server.moderation import store
from server.moderation.events import Decided
from server.moderation.model import ItemStatus, PersonStatus, check_until
from server.moderation.store import Sanction
from server.users import User

# Whoever acts when a time has come: no person.
_CLOCK = Viewer(role="admin")


async def take_down(
    db: Db, viewer: Viewer, item_id: UUID, status: ItemStatus, now: datetime
) -> None:
    """Remove an item everywhere; its author is told why.

    Raises:
        NotAllowed: the viewer is no admin.
        NotFound: there is no such item.
        Conflict: it was removed already, by the house or by its author.

    """
    check_admin(viewer)
    item = await _item(db, item_id)
    if not await items.retract(db, viewer, [item_id]):
        raise Conflict("The item has been removed already.")
    await store.take_down(db, item_id, status.reason, status.note, viewer.id, now)
    if item.author_id is not None:
        await _tell(
            db,
            Decided(
                verdict="takedown",
                user_id=item.author_id,
                reason=status.reason,
                note=status.note,
                item_id=item_id,
            ),
        )
    await audit.record(
        db,
        viewer,
        Deed(
            action="item.takedown",
            target_kind="item",
            target_id=str(item_id),
            note=status.note,
            before={"state": "live"},
            after={"state": "retracted", "reason": status.reason},
        ),
        now,
    )


async def restore(db: Db, viewer: Viewer, item_id: UUID, note: str, now: datetime) -> None:
    """Show an item again that the house removed; what its author deleted stays deleted.

    Raises:
        NotAllowed: the viewer is no admin.
        NotFound: there is no such item.
        Conflict: the house has not removed it.

    """
    check_admin(viewer)
    item = await _item(db, item_id)
    if not await store.forget_takedown(db, item_id):
        raise Conflict("The house has not removed this item.")
    await items.restore(db, [item_id])
    if item.author_id is not None:
        told = Decided(
            verdict="restore", user_id=item.author_id, reason="other", note=note, item_id=item_id
        )
        await _tell(db, told)
    await audit.record(
        db,
        viewer,
        Deed(
            action="item.restore",
            target_kind="item",
            target_id=str(item_id),
            note=note,
            before={"state": "retracted"},
            after={"state": "live"},
        ),
        now,
    )


async def judge(db: Db, viewer: Viewer, user_id: UUID, status: PersonStatus, now: datetime) -> None:
    """Let a person take part as others do, unseen by others, or not at all.

    A suspension ends their sign-ins, and lasts until its end or until somebody ends it.

    Raises:
        NotAllowed: the viewer is no admin, or it is about an admin.
        NotFound: there is no such person.
        Malformed: the end is none.

    """
    check_admin(viewer)
    until = check_until(status.until, now) if status.state == "suspended" else None
    user = await users.hold(db, user_id)
    if user is None or user.state == "deleted":
        raise NotFound("There is no such person.")
    if user.role == "admin" and status.state != "active":
        raise NotAllowed("An admin is no user: take the role away first.")
    await _set_state(db, user, status, until, viewer, now)
    await audit.record(
        db,
        viewer,
        Deed(
            action=f"user.{_DEEDS[status.state]}",
            target_kind="user",
            target_id=str(user_id),
            note=status.note,
            before={"state": user.state},
            after={
                "state": status.state,
                "reason": status.reason,
                "until": until.isoformat() if until else None,
            },
        ),
        now,
    )


_DEEDS = {"active": "reinstate", "shadowbanned": "shadowban", "suspended": "suspend"}


async def end_suspensions(db: Db, now: datetime, most: int = 100) -> int:
    """Let those take part again whose suspension has ended; says how many."""
    over = await store.ended(db, now, most)
    for user_id in over:
        await judge(db, _CLOCK, user_id, PersonStatus("active", note="Its time was over."), now)
    return len(over)


def check_admin(viewer: Viewer) -> None:
    """Let nobody moderate who is no admin.

    Raises:
        NotAllowed: the viewer is none.

    """
    if not viewer.is_admin:
        raise NotAllowed("Only an admin may do this.")


async def _set_state(
    db: Db,
    user: User,
    status: PersonStatus,
    until: datetime | None,
    viewer: Viewer,
    now: datetime,
) -> None:
    await users.set_state(db, user.id, status.state)
    if status.state == "active":
        await store.lift(db, user.id)
        await items.show_of(db, user.id)
        if user.state == "suspended":
            await _tell(db, Decided("reinstate", user.id, status.reason, status.note))
        return
    suspended = status.state == "suspended"
    given = Sanction(user.id, status.state, status.reason, status.note, until)
    await store.sanction(db, given, viewer.id, now)
    if suspended:
        await auth.end_all(db, user.id, now)
        await _tell(db, Decided("suspend", user.id, status.reason, status.note))
    await items.hide_of(db, user.id)


async def _item(db: Db, item_id: UUID) -> items.StoredItem:
    item = (await items.by_ids(db, [item_id])).get(item_id)
    if item is None:
        raise NotFound("There is no such item.")
    return item


async def _tell(db: Db, event: Decided) -> None:
    await outbox.emit(db, event, key=event.user_id)
