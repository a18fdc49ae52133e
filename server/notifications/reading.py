"""What people do with their own inboxes: read them, mark them, choose what comes into them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import asdict

from server import users
from server.display import AuthorRef
from server.kernel import outbox
from server.kernel.database import Db
from server.kernel.problems import NotAllowed, SignInFirst
from server.kernel.viewer import Viewer
from server.notifications import changing, choosing, store
from server.notifications.events import NotificationsRead
from server.notifications.model import (
    KINDS,
    MOST_MISSED,
    Inbox,
    InboxJoin,
    Missed,
    Notification,
    NotificationPage,
    NotificationPush,
    PageQuery,
    Preferences,
    PreferencesChange,
    Unread,
    choice_of,
    read_change,
    read_cursor,
    write_change,
    write_cursor,
)
from server.notifications.projection import Projection
from server.users import User


async def page(
    db: Db, viewer: Viewer, secret: str, query: PageQuery, projection: Projection
) -> NotificationPage:
    """Read the viewer's notifications.

    Raises:
        SignInFirst: the viewer is a visitor.
        CursorInvalid: the cursor is not of the viewer's list, or was altered.

    """
    owner = owner_of(viewer)
    cursor = query.cursor
    standing = (await store.standings(db, [owner]))[owner]
    if cursor is None:
        kept = await projection.newest(db, owner, standing.change, query.limit + 1)
    else:
        before = read_cursor(secret, owner, cursor)
        kept = await store.page(db, owner, before=before, limit=query.limit + 1)
    here = kept[: query.limit]
    if here:
        cursor = write_cursor(secret, owner, (here[-1].updated_at, here[-1].id))
    return NotificationPage(
        items=await shown(db, here),
        cursor=cursor,
        next_cursor=cursor,
        has_more=len(kept) > len(here),
        unread_count=standing.unread,
        unseen_count=standing.unseen,
    )


async def joined(
    db: Db, viewer: Viewer, secret: str, params: InboxJoin, projection: Projection
) -> Inbox:
    """Read the inbox as a session joins it: what it missed, else the newest page.

    Raises:
        SignInFirst: the viewer is a visitor.
        CursorInvalid: the cursor is not of the viewer's inbox, or was altered.

    """
    owner = owner_of(viewer)
    if params.cursor is not None:
        missed = await missed_since(db, owner, secret, read_change(secret, owner, params.cursor))
        if not missed.reset:
            return Inbox(**asdict(missed), next_cursor=None, has_more=False)
    # Read before the page: what changes in between is told again rather than missed.
    change = (await store.standings(db, [owner]))[owner].change
    first = await page(db, viewer, secret, PageQuery(limit=params.limit), projection)
    return Inbox(
        items=first.items,
        gone=[],
        reset=params.cursor is not None,
        cursor=write_change(secret, owner, change),
        next_cursor=first.next_cursor,
        has_more=first.has_more,
        unread_count=first.unread_count,
        unseen_count=first.unseen_count,
    )


async def missed_since(db: Db, owner: UUID, secret: str, change: int) -> Missed:
    """Read what changed in an inbox after a change; with `reset`, too much to be told."""
    standing = (await store.standings(db, [owner]))[owner]
    kept: list[store.Kept] = []
    if standing.change > change:
        kept = await store.since(db, owner, change, MOST_MISSED + 1)
    reset = len(kept) > MOST_MISSED
    live = [] if reset else [each for each in kept if each.gone_at is None]
    return Missed(
        items=await shown(db, live),
        gone=[] if reset else [each.id for each in kept if each.gone_at is not None],
        reset=reset,
        cursor=write_change(secret, owner, max(standing.change, change)),
        unread_count=standing.unread,
        unseen_count=standing.unseen,
    )


async def acknowledge(db: Db, viewer: Viewer, secret: str, up_to: str) -> Missed:
    """Keep that a session has everything up to a cursor, and give what it lacks after it.

    Raises:
        SignInFirst: the viewer is a visitor.
        CursorInvalid: the cursor is not of the viewer's inbox, or was altered.

    """
    owner = owner_of(viewer)
    change = read_change(secret, owner, up_to)
    await store.acked(db, owner, change)
    return await missed_since(db, owner, secret, change)


async def mark_read(db: Db, viewer: Viewer, up_to: UUID | None, now: datetime) -> Unread:
    """Mark the viewer's notifications as read, and count what is left.

    Raises:
        SignInFirst: the viewer is a visitor.

    """
    owner = owner_of(viewer)
    change = (await changing.hold(db, [owner]))[owner].change
    await changing.read(db, owner, up_to, change, now)
    event = NotificationsRead(user_id=owner, up_to=up_to, change=change)
    await outbox.emit(db, event, key=owner)
    return await unread(db, owner)


async def mark_seen(db: Db, viewer: Viewer) -> Unread:
    """Mark the viewer's notifications as seen: they count as new no longer, but as unread.

    Raises:
        SignInFirst: the viewer is a visitor.

    """
    owner = owner_of(viewer)
    change = (await changing.hold(db, [owner]))[owner].change
    await changing.seen(db, owner, change)
    event = NotificationsRead(user_id=owner, up_to=None, change=change)
    await outbox.emit(db, event, key=owner)
    return await unread(db, owner)


async def pushes(
    db: Db, owner: UUID, kept: Sequence[store.Kept], secret: str
) -> list[NotificationPush]:
    """Write notifications of one inbox as they are pushed to its owner's sessions."""
    standing = (await store.standings(db, [owner]))[owner]
    here = await shown(db, kept)
    return [
        NotificationPush(
            **asdict(each),
            unread_count=standing.unread,
            unseen_count=standing.unseen,
            cursor=write_change(secret, owner, stored.change),
        )
        for each, stored in zip(here, kept, strict=True)
    ]


async def unread(db: Db, user_id: UUID) -> Unread:
    """Count what is unread and unseen in somebody's inbox."""
    standing = (await store.standings(db, [user_id]))[user_id]
    return Unread(standing.unread, standing.unseen)


async def preferences(db: Db, viewer: Viewer) -> Preferences:
    """Read what the viewer is told of, and how.

    Raises:
        SignInFirst: the viewer is a visitor.

    """
    chosen = await choosing.of(db, owner_of(viewer))
    return Preferences({kind: choice_of(chosen.kinds, kind) for kind in KINDS}, chosen.digest)


async def prefer(db: Db, viewer: Viewer, change: PreferencesChange, now: datetime) -> Preferences:
    """Change what the viewer is told of, and how; what is not named stays.

    Raises:
        SignInFirst: the viewer is a visitor.

    """
    owner = owner_of(viewer)
    await changing.hold(db, [owner])
    await choosing.choose(db, owner, change, now)
    return await preferences(db, viewer)


def check_owner(viewer: Viewer, user_id: UUID) -> None:
    """Let a person into their own inbox, and nobody into another's.

    Raises:
        SignInFirst: the viewer is a visitor.
        NotAllowed: it is somebody else's.

    """
    if owner_of(viewer) != user_id:
        raise NotAllowed("This inbox is somebody else's.")


def owner_of(viewer: Viewer) -> UUID:
    """Say whose inbox the viewer's is.

    Raises:
        SignInFirst: the viewer is a visitor.

    """
    if viewer.id is None:
        raise SignInFirst
    return viewer.id


async def shown(db: Db, kept: Sequence[store.Kept]) -> list[Notification]:
    """Write stored notifications as their owner sees them."""
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
            seen=each.version <= each.seen_version,
            read=each.read_at is not None,
        )
        for each in kept
    ]


def _author(user: User) -> AuthorRef:
    return AuthorRef(name=user.display_name, id=user.id, username=user.username)
