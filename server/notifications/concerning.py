"""Whom an event concerns, and what they are told of it."""

from collections.abc import Collection, Sequence
from typing import Literal, TypeAlias
from uuid import UUID

from server import items
from server.comments.events import CommentCreated
from server.engagement import voters
from server.engagement.events import EngagementRecorded
from server.graph.events import GraphChanged
from server.items import StoredItem
from server.kernel.database import Db
from server.notifications.model import Kind, Notice, excerpt_of
from server.posts.events import PollClosed

VOTERS_AT_ONCE = 100

Trouble: TypeAlias = Literal["source_trouble", "media_trouble"]

_DOINGS: dict[str, tuple[Kind, bool]] = {
    "like": ("like", True),
    "unlike": ("like", False),
    "repost": ("repost", True),
    "unrepost": ("repost", False),
}


async def comments(db: Db, events: Sequence[CommentCreated]) -> list[Notice]:
    """Find whose comments were answered, else whose items were commented on."""
    wanted: set[UUID] = set()
    for event in events:
        wanted |= {event.id, event.target_id} | ({event.parent_id} if event.parent_id else set())
    found = await items.by_ids(db, wanted)
    return [notice for event in events for notice in _of_comment(event, found)]


def _of_comment(event: CommentCreated, found: dict[UUID, StoredItem]) -> list[Notice]:
    comment, item = found.get(event.id), found.get(event.target_id)
    if event.author_id is None or comment is None or item is None or comment.state != "live":
        return []
    parent = found.get(event.parent_id) if event.parent_id else None
    told: dict[UUID, tuple[Kind, UUID]] = {}
    if item.author_id:
        told[item.author_id] = ("comment", item.id)
    if parent and parent.author_id:
        # Who owns both hears of the answer only.
        told[parent.author_id] = ("reply", parent.id)
    return [
        Notice(
            user_id=user_id,
            kind=kind,
            actor_id=event.author_id,
            target_id=target_id,
            item_id=event.target_id,
            comment_id=comment.id,
            excerpt=excerpt_of(comment.body_text),
        )
        for user_id, (kind, target_id) in told.items()
    ]


async def engagement(
    db: Db, events: Sequence[EngagementRecorded]
) -> tuple[list[Notice], list[Notice]]:
    """Find whose items were liked or reposted, and of which that was taken back.

    Of what one person did to one item, only what came last counts.
    """
    last: dict[tuple[UUID, UUID, Kind], bool] = {}
    for event in events:
        if event.action in _DOINGS:
            kind, done = _DOINGS[event.action]
            key = (event.item_id, event.user_id, kind)
            last.pop(key, None)
            last[key] = done
    found = await items.by_ids(db, {item_id for item_id, _, _ in last})
    done_to: list[Notice] = []
    undone: list[Notice] = []
    for (item_id, user_id, kind), done in last.items():
        item = found.get(item_id)
        if item is None or item.author_id is None or (done and item.state != "live"):
            continue
        (done_to if done else undone).append(_doing(kind, user_id, item.author_id, item))
    return done_to, undone


def _doing(kind: Kind, actor_id: UUID, owner: UUID, item: StoredItem) -> Notice:
    is_comment = item.kind == "COMMENT"
    return Notice(
        user_id=owner,
        kind=kind,
        actor_id=actor_id,
        target_id=item.id,
        item_id=(item.target_id if is_comment else None) or item.id,
        comment_id=item.id if is_comment else None,
        excerpt=excerpt_of(item.title or item.body_text),
    )


async def post(
    db: Db, post_id: UUID, mentions: Collection[UUID], quote_of: UUID | None
) -> list[Notice]:
    """Find whom a post names, and whose post it quotes; who is both hears of the quote."""
    found = await items.by_ids(db, [post_id, *([quote_of] if quote_of else [])])
    written = found.get(post_id)
    if written is None or written.author_id is None or written.state != "live":
        return []
    told: dict[UUID, tuple[Kind, UUID]] = dict.fromkeys(mentions, ("mention", post_id))
    quoted = found.get(quote_of) if quote_of else None
    if quoted is not None and quoted.author_id is not None:
        told[quoted.author_id] = ("quote", quoted.id)
    return [
        Notice(
            user_id=user_id,
            kind=kind,
            actor_id=written.author_id,
            target_id=target_id,
            item_id=post_id,
            excerpt=excerpt_of(written.body_text),
        )
        for user_id, (kind, target_id) in told.items()
    ]


async def poll(db: Db, event: PollClosed) -> tuple[list[Notice], UUID | None]:
    """Find whom the end of a poll concerns, some at a time, and after whom the next step begins."""
    asked = (await items.by_ids(db, [event.id])).get(event.id)
    if asked is None or asked.state != "live":
        return [], None
    voted = await voters(db, event.id, after=event.after, most=VOTERS_AT_ONCE)
    told = dict.fromkeys(voted)
    if event.after is None and asked.author_id is not None:
        told[asked.author_id] = None
    elif asked.author_id is not None:
        told.pop(asked.author_id, None)
    notices = [
        Notice(
            user_id=each,
            kind="poll_ended",
            target_id=event.id,
            item_id=event.id,
            excerpt=excerpt_of(asked.body_text),
        )
        for each in told
    ]
    return notices, voted[-1] if len(voted) == VOTERS_AT_ONCE else None


def follow(event: GraphChanged) -> Notice:
    """Say who is followed, or no more."""
    return Notice(
        user_id=event.target_id,
        kind="follow",
        actor_id=event.user_id,
        # Whoever follows somebody is told of together.
        target_id=event.target_id,
    )


def trouble(admins: Collection[UUID], kind: Trouble, target_id: UUID, said: str) -> list[Notice]:
    """Say to every admin that something is wrong."""
    return [
        Notice(user_id=each, kind=kind, target_id=target_id, excerpt=excerpt_of(said))
        for each in admins
    ]
