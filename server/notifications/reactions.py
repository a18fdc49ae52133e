"""What notifications do when they are told: write down whom it concerns, then push it."""

from typing import Literal
from uuid import UUID

from server import items
from server.comments.events import CommentCreated
from server.engagement.events import EngagementRecorded
from server.items import StoredItem
from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.notifications import actions
from server.notifications.events import NotificationDispatched, NotificationsRead
from server.notifications.model import Notice, ReadPush, excerpt_of


async def on_comment(services: Services, db: Db, event: CommentCreated) -> None:
    """Tell whose comment was answered, else whose item was commented on."""
    if event.author_id is None:
        return
    wanted = {event.id, event.target_id} | ({event.parent_id} if event.parent_id else set())
    found = await items.by_ids(db, wanted)
    comment, item = found.get(event.id), found.get(event.target_id)
    if comment is None or item is None or comment.state != "live":
        return
    parent = found.get(event.parent_id) if event.parent_id else None
    answered = parent.author_id if parent else None
    told = {}
    if item.author_id:
        told[item.author_id] = _about("comment", item.author_id, item, comment, event)
    if parent and answered:
        # Who owns both hears of the answer only.
        told[answered] = _about("reply", answered, parent, comment, event)
    for notice in told.values():
        await actions.notify(db, notice, services.clock.now())


async def on_engagement(services: Services, db: Db, event: EngagementRecorded) -> None:
    """Tell whose item or comment was liked."""
    if event.action != "like":
        return
    item = (await items.by_ids(db, [event.item_id])).get(event.item_id)
    if item is None or item.author_id is None or item.state != "live":
        return
    is_comment = item.kind == "COMMENT"
    notice = Notice(
        user_id=item.author_id,
        kind="like",
        actor_id=event.user_id,
        target_id=item.id,
        item_id=(item.target_id if is_comment else None) or item.id,
        comment_id=item.id if is_comment else None,
        excerpt=excerpt_of(item.title or item.body_text),
    )
    await actions.notify(db, notice, services.clock.now())


async def push_notification(services: Services, db: Db, event: NotificationDispatched) -> None:
    """Show a notification in every open session of its owner."""
    push = await actions.pushed(db, event.user_id, event.id)
    if push is not None:
        await services.publisher.broadcast(f"user:{event.user_id}", "notification", push)


async def push_read(services: Services, db: Db, event: NotificationsRead) -> None:
    """Let every open session of a person count the same."""
    push = ReadPush(event.up_to, await actions.unread(db, event.user_id))
    await services.publisher.broadcast(f"user:{event.user_id}", "read", push)


def _about(
    kind: Literal["comment", "reply"],
    user_id: UUID,
    target: StoredItem,
    comment: StoredItem,
    event: CommentCreated,
) -> Notice:
    return Notice(
        user_id=user_id,
        kind=kind,
        actor_id=comment.author_id or user_id,
        target_id=target.id,
        item_id=event.target_id,
        comment_id=comment.id,
        excerpt=excerpt_of(comment.body_text),
    )


reactions = [
    Reaction("notifications.comment", CommentCreated, on_comment),
    Reaction("notifications.engagement", EngagementRecorded, on_engagement),
    Reaction("notifications.push", NotificationDispatched, push_notification),
    Reaction("notifications.read", NotificationsRead, push_read),
]
