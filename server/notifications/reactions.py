"""What notifications do when they are told: write down whom it concerns, then tell screens."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from server import users
from server.comments.events import CommentCreated
from server.engagement.events import EngagementRecorded
from server.graph.events import Followed, Unfollowed
from server.items.events import ItemsRetracted
from server.kernel import outbox
from server.kernel.database import Db
from server.kernel.notice import NoticeGiven
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.media.events import CardChanged
from server.moderation.events import Decided
from server.notifications import actions, concerning, reading, sending, store
from server.notifications.events import (
    NotificationDispatched,
    NotificationsGone,
    NotificationsRead,
)
from server.notifications.model import GonePush, Notice, ReadPush, excerpt_of, write_change
from server.notifications.projection import Projection
from server.posts.events import PollClosed, PostCreated, PostEdited
from server.sources.events import SourceRetired


async def on_comments(services: Services, db: Db, events: Sequence[CommentCreated]) -> None:
    """Tell whose comment was answered, else whose item was commented on."""
    notices = await concerning.comments(db, events)
    await actions.notify(db, notices, services.clock.now())


async def on_engagement(services: Services, db: Db, events: Sequence[EngagementRecorded]) -> None:
    """Tell whose item or comment was liked or reposted; take back what was taken back unseen."""
    done, undone = await concerning.engagement(db, events)
    now = services.clock.now()
    await actions.notify(db, done, now)
    await actions.take_back(db, undone, now)


async def on_post(services: Services, db: Db, event: PostCreated) -> None:
    """Tell whom a post names, and whose post it quotes."""
    notices = await concerning.post(db, event.id, event.mentions, event.quote_of)
    await actions.notify(db, notices, services.clock.now())


async def on_post_edited(services: Services, db: Db, event: PostEdited) -> None:
    """Tell whom a post names now and did not before."""
    notices = await concerning.post(db, event.id, event.mentions, None)
    await actions.notify(db, notices, services.clock.now())


async def on_poll_closed(services: Services, db: Db, event: PollClosed) -> None:
    """Tell who asked and who voted that a poll has ended, a hundred in each transaction."""
    notices, last = await concerning.poll(db, event)
    await actions.notify(db, notices, services.clock.now())
    if last is not None:
        await outbox.emit(db, PollClosed(id=event.id, after=last), key=event.id)


async def on_followed(services: Services, db: Db, event: Followed) -> None:
    """Tell who is followed."""
    await actions.notify(db, [concerning.follow(event)], services.clock.now())


async def on_unfollowed(services: Services, db: Db, event: Unfollowed) -> None:
    """Take back unseen that somebody followed."""
    await actions.take_back(db, [concerning.follow(event)], services.clock.now())


async def on_retracted(services: Services, db: Db, event: ItemsRetracted) -> None:
    """Take out of every inbox what is about items that are gone."""
    await actions.retract(db, event.ids, services.clock.now(), but_of=event.hidden_author)


async def on_decided(services: Services, db: Db, event: Decided) -> None:
    """Tell the author what the house decided, and why."""
    said = f"{event.verdict}: {event.reason}. {event.note}".strip()
    notice = Notice(
        user_id=event.user_id,
        kind="verdict",
        target_id=event.item_id or event.user_id,
        excerpt=excerpt_of(said),
    )
    await actions.notify(db, [notice], services.clock.now())


async def on_notice(services: Services, db: Db, event: NoticeGiven) -> None:
    """Tell what the house has to say: to one person, or to every admin."""
    whom = [event.user_id] if event.user_id else await users.of_role(db, "admin")
    notices = [
        Notice(
            user_id=each,
            kind=event.kind,
            target_id=event.target_id,
            item_id=event.item_id,
            excerpt=excerpt_of(event.text),
        )
        for each in whom
    ]
    await actions.notify(db, notices, services.clock.now())


async def on_source_retired(services: Services, db: Db, event: SourceRetired) -> None:
    """Tell the admins that a source is asked no more."""
    await _tell_admins(services, db, "source_trouble", event.id, event.notice)


async def on_card(services: Services, db: Db, event: CardChanged) -> None:
    """Tell the admins of a card that could not be rendered."""
    if event.state == "failed":
        said = "The card of an item could not be rendered."
        await _tell_admins(services, db, "media_trouble", event.item_id, said)


async def push(services: Services, db: Db, events: Sequence[NotificationDispatched]) -> None:
    """Show notifications as they are now in every open session of their owners."""
    projection = Projection(services.redis)
    for owner, told in _by_owner(events).items():
        # Of one that changed several times, only what it became is shown.
        kept = await store.some(db, {(owner, each.id) for each in told})
        await projection.tell(owner, {each.change for each in told}, kept, ())
        live = [each for each in kept if each.gone_at is None and not each.quiet]
        live.sort(key=lambda each: (each.change, each.id))
        for each in await reading.pushes(db, owner, live, services.policy.secret):
            await services.publisher.broadcast(f"user:{owner}", "notification", each)
        await sending.ring(services, db, owner, [each for each in told if each.news])


async def push_read(services: Services, db: Db, event: NotificationsRead) -> None:
    """Let every open session of a person count the same."""
    await Projection(services.redis).tell(event.user_id, [event.change], (), ())
    left = await reading.unread(db, event.user_id)
    said = ReadPush(event.up_to, left.unread_count, left.unseen_count)
    await services.publisher.broadcast(f"user:{event.user_id}", "read", said)


async def push_gone(services: Services, db: Db, event: NotificationsGone) -> None:
    """Take notifications of which nothing is left from every open session."""
    owner = event.user_id
    kept = await store.some(db, {(owner, each) for each in event.ids})
    await Projection(services.redis).tell(owner, [event.change], kept, event.ids)
    # What came back in the meantime is told by its own event.
    gone = [each.id for each in kept if each.gone_at is not None]
    left = await reading.unread(db, owner)
    cursor = write_change(services.policy.secret, owner, event.change)
    said = GonePush(gone, left.unread_count, left.unseen_count, cursor)
    await services.publisher.broadcast(f"user:{owner}", "gone", said)


def _by_owner(
    events: Sequence[NotificationDispatched],
) -> dict[UUID, list[NotificationDispatched]]:
    by_owner: dict[UUID, list[NotificationDispatched]] = {}
    for event in events:
        by_owner.setdefault(event.user_id, []).append(event)
    return by_owner


async def _tell_admins(
    services: Services, db: Db, kind: "concerning.Trouble", target_id: UUID, said: str
) -> None:
    now: datetime = services.clock.now()
    admins = await users.of_role(db, "admin")
    await actions.notify(db, concerning.trouble(admins, kind, target_id, said), now)


reactions = [
    Reaction("notifications.comment", CommentCreated, on_comments, in_batches=True),
    Reaction("notifications.engagement", EngagementRecorded, on_engagement, in_batches=True),
    Reaction("notifications.post", PostCreated, on_post),
    Reaction("notifications.post_edited", PostEdited, on_post_edited),
    Reaction("notifications.poll_closed", PollClosed, on_poll_closed),
    Reaction("notifications.followed", Followed, on_followed),
    Reaction("notifications.unfollowed", Unfollowed, on_unfollowed),
    Reaction("notifications.retracted", ItemsRetracted, on_retracted),
    Reaction("notifications.decided", Decided, on_decided),
    Reaction("notifications.notice", NoticeGiven, on_notice),
    Reaction("notifications.source", SourceRetired, on_source_retired),
    Reaction("notifications.card", CardChanged, on_card),
    # A group of its own: screens are told while the next notifications are being written.
    Reaction("inboxes.push", NotificationDispatched, push, in_batches=True),
    Reaction("inboxes.read", NotificationsRead, push_read),
    Reaction("inboxes.gone", NotificationsGone, push_gone),
]
