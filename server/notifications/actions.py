"""Writing down what concerns people, and what they do with it."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import asdict

from server import users
from server.display import AuthorRef
from server.kernel import outbox
from server.kernel.database import Db
from server.kernel.problems import NotAllowed, SignInFirst
from server.kernel.viewer import Viewer
from server.notifications import store
from server.notifications.events import NotificationDispatched, NotificationsRead
from server.notifications.model import (
    Notice,
    Notification,
    NotificationPage,
    NotificationPush,
    PageQuery,
    read_cursor,
    write_cursor,
)
from server.users import User


async def notify(db: Db, notice: Notice, now: datetime) -> UUID | None:
    """Let a person know; None when it is their own doing, or no news to them."""
    if notice.actor_id == notice.user_id:
        return None
    # A like can be taken back and given again; a comment is always a new one.
    if notice.kind == "like" and await store.known(
        db, notice.user_id, notice.group_key, notice.actor_id
    ):
        return None
    written = await store.record(db, notice, notice.group_key, now)
    event = NotificationDispatched(user_id=notice.user_id, id=written)
    await outbox.emit(db, event, key=notice.user_id)
    return written


async def page(db: Db, viewer: Viewer, secret: str, query: PageQuery) -> NotificationPage:
    """Read the viewer's notifications.

    Raises:
        SignInFirst: the viewer is a visitor.
        CursorInvalid: the cursor is not of the viewer's list, or was altered.

    """
    owner = _owner(viewer)
    cursor = query.cursor
    before = read_cursor(secret, owner, cursor) if cursor else None
    kept = await store.page(db, owner, before=before, limit=query.limit + 1)
    here = kept[: query.limit]
    if here:
        cursor = write_cursor(secret, owner, (here[-1].updated_at, here[-1].id))
    return NotificationPage(
        items=await _shown(db, here),
        cursor=cursor,
        next_cursor=cursor,
        has_more=len(kept) > len(here),
        unread_count=await store.unread(db, owner),
    )


async def mark_read(db: Db, viewer: Viewer, up_to: UUID | None, now: datetime) -> int:
    """Mark the viewer's notifications as read, and say how many are left unread.

    Raises:
        SignInFirst: the viewer is a visitor.

    """
    owner = _owner(viewer)
    if await store.mark_read(db, owner, up_to, now):
        await outbox.emit(db, NotificationsRead(user_id=owner, up_to=up_to), key=owner)
    return await store.unread(db, owner)


async def pushed(db: Db, user_id: UUID, notification_id: UUID) -> NotificationPush | None:
    """Read a notification as it is pushed to its owner's sessions; None when it is gone."""
    kept = await store.one(db, user_id, notification_id)
    if kept is None:
        return None
    shown = (await _shown(db, [kept]))[0]
    return NotificationPush(**asdict(shown), unread_count=await store.unread(db, user_id))


async def unread(db: Db, user_id: UUID) -> int:
    """Count a person's unread notifications."""
    return await store.unread(db, user_id)


def check_owner(viewer: Viewer, user_id: UUID) -> None:
    """Let a person into their own inbox, and nobody into another's.

    Raises:
        SignInFirst: the viewer is a visitor.
        NotAllowed: it is somebody else's.

    """
    if _owner(viewer) != user_id:
        raise NotAllowed("This inbox is somebody else's.")


def _owner(viewer: Viewer) -> UUID:
    if viewer.id is None:
        raise SignInFirst
    return viewer.id


async def _shown(db: Db, kept: Sequence[store.Kept]) -> list[Notification]:
    people = await users.by_ids(db, {actor for each in kept for actor in each.actor_ids})
    return [
        Notification(
            id=each.id,
            kind=each.kind,
            actors=[_author(people[actor]) for actor in each.actor_ids if actor in people],
            actor_count=each.actor_count,
            item_id=each.item_id,
            target_id=each.target_id,
            comment_id=each.comment_id,
            excerpt=each.excerpt,
            created_at=each.created_at,
            updated_at=each.updated_at,
            read=each.read_at is not None,
        )
        for each in kept
    ]


def _author(user: User) -> AuthorRef:
    return AuthorRef(name=user.display_name, id=user.id, username=user.username)


async def forget(db: Db, item_ids: Collection[UUID], user_ids: Collection[UUID]) -> None:
    """Remove what was told about items and to people that are removed whole."""
    await store.forget(db, item_ids, user_ids)
