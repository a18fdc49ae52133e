"""Writing under items, and reading what was written."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import asdict

from server import display, engagement, graph, items, posts, users
from server.comments import store
from server.comments.events import CommentCreated, CommentDeleted, CommentEdited
from server.comments.model import (
    DEEPEST,
    Comment,
    CommentPage,
    CommentsClosed,
    CommentsNow,
    Draft,
    Edit,
    Thread,
    TooDeep,
    Wanted,
    check_body,
    read_cursor,
    write_cursor,
)
from server.engagement import NoSuchItem
from server.items import NewItem
from server.kernel import outbox, writing
from server.kernel.database import Db
from server.kernel.ids import new_id
from server.kernel.problems import NotAllowed, SignInFirst
from server.kernel.storage import Storage
from server.kernel.viewer import Viewer
from server.posts import TooLateToEdit

# The same words by the same person in the same place are one comment that was sent twice.
SAME_WITHIN = timedelta(minutes=1)
_MOST_COMPARED = 200


async def create(db: Db, viewer: Viewer, item_id: UUID, draft: Draft, now: datetime) -> UUID:
    """Write under an item, or answer a comment; sent again within a minute, it is the same one.

    Raises:
        SignInFirst: the viewer is a visitor.
        NotAllowed: the viewer is suspended.
        Malformed: the text is empty or too long.
        NoSuchItem: the item or the parent is not there, is gone, or is not for the viewer.
        CommentsClosed: the item's author does not take comments from the viewer.
        TooDeep: the thread goes no deeper.

    """
    body = check_body(draft.body)
    author = await users.hold_active(db, viewer)
    place = await _place(db, viewer, item_id, draft.parent_id, now)
    again = await _sent_before(db, place, author.id, body, now)
    if again is not None:
        return again
    found = writing.pointers(body)
    await items.write(
        db,
        NewItem(
            id=place.id,
            kind="COMMENT",
            author_id=author.id,
            body_text=body,
            body_html=writing.html_of(body),
            tags=found.tags,
            target_id=place.target_id,
        ),
        now,
    )
    named = await posts.named(db, author.id, found.mentions)
    await _insert(db, place, author.id, tuple(named))
    return place.id


async def edit(
    db: Db, viewer: Viewer, comment_id: UUID, given: Edit, seconds: float, now: datetime
) -> None:
    """Give one's own comment other words, for so many seconds after it was written.

    Raises:
        SignInFirst: the viewer is a visitor.
        NotAllowed: the viewer is suspended, or another wrote it.
        NoSuchItem: there is no such comment, or it is gone.
        TooLateToEdit: it is too old.
        Malformed: the text is empty or too long.

    """
    body = check_body(given.body)
    author = await users.hold_active(db, viewer)
    place = await store.hold(db, comment_id)
    item = await _live(db, viewer, comment_id)
    if place is None:
        raise NoSuchItem
    if item.author_id != author.id:
        raise NotAllowed("Only who wrote a comment can edit it.")
    if now - place.created_at > timedelta(seconds=seconds):
        raise TooLateToEdit(f"A comment can be edited for {seconds / 60:.0f} minutes.")
    if body == item.body_text:
        return
    found, before = writing.pointers(body), writing.pointers(item.body_text)
    words = items.Words(body_text=body, body_html=writing.html_of(body), tags=found.tags)
    await items.rewrite(db, comment_id, words, now)
    known = {each.lower() for each in before.mentions}
    new = [each for each in found.mentions if each.lower() not in known]
    event = CommentEdited(
        id=place.id,
        target_id=place.target_id,
        parent_id=place.parent_id,
        author_id=author.id,
        mentions=tuple(await posts.named(db, author.id, new)),
    )
    await outbox.emit(db, event, key=place.target_id)


async def delete(db: Db, viewer: Viewer, comment_id: UUID, now: datetime) -> None:
    """Take a comment away, one's own or, as an admin, any; when it is gone nothing changes.

    A place that somebody answered is kept, without the words; others go, and are counted no more.

    Raises:
        SignInFirst: the viewer is a visitor.
        NotAllowed: another wrote it, and the viewer is no admin.
        NoSuchItem: there never was such a comment.

    """
    if viewer.id is None:
        raise SignInFirst
    place = await store.hold(db, comment_id)
    item = (await items.by_ids(db, [comment_id])).get(comment_id)
    if item is None or item.kind != "COMMENT":
        raise NoSuchItem
    if item.author_id != viewer.id and not viewer.is_admin:
        raise NotAllowed("Only who wrote a comment can delete it.")
    gone = await items.retract(db, viewer, [comment_id])
    if not gone or place is None:
        return
    await store.mark_deleted(db, comment_id, now)
    event = CommentDeleted(id=place.id, target_id=place.target_id, parent_id=place.parent_id)
    await outbox.emit(db, event, key=place.target_id)
    await _clear(db, place)


async def adopt(
    db: Db, *, comment_id: UUID, target_id: UUID, parent_id: UUID | None, at: datetime
) -> bool:
    """Give an item of kind COMMENT that was taken in its place; False when it has one.

    A thread that its source lets go deeper than ours goes on beside the deepest comment.
    """
    parent = (await store.by_ids(db, [parent_id])).get(parent_id) if parent_id else None
    while parent is not None and parent.depth >= DEEPEST and parent.parent_id is not None:
        parent = (await store.by_ids(db, [parent.parent_id])).get(parent.parent_id)
    return await _insert(db, _under(comment_id, target_id, parent, at), None)


async def page(
    db: Db, viewer: Viewer, item_id: UUID, storage: Storage, wanted: Wanted
) -> CommentPage:
    """Read the comments under an item, or the answers to a comment.

    Raises:
        NoSuchItem: there is no such item, it is gone, or it is not for the viewer.
        CursorInvalid: the cursor is of another list, or was altered.

    """
    cursor = wanted.cursor
    after = read_cursor(wanted, item_id, cursor) if cursor else None
    item = await _live(db, viewer, item_id)
    place = store.Place(item.kind == "COMMENT", wanted.sort, wanted.view)
    threads = await store.page(db, item_id, place, after=after, limit=wanted.limit + 1)
    here = threads[: wanted.limit]
    if here:
        cursor = write_cursor(wanted, item_id, here[-1].id)
    return CommentPage(
        items=await shown(db, viewer, here, storage),
        cursor=cursor,
        next_cursor=cursor,
        has_more=len(threads) > len(here),
    )


async def now_under(
    db: Db, viewer: Viewer, item_id: UUID, storage: Storage, wanted: Wanted
) -> CommentsNow:
    """Read the first comments of an item with its counters and its poll. Refused as `page` is."""
    newest = await page(db, viewer, item_id, storage, wanted)
    counts = await engagement.counts(db, [item_id])
    poll = (await posts.polls(db, viewer, [item_id])).get(item_id)
    return CommentsNow(newest.items, newest.cursor, newest.has_more, counts[item_id], poll)


async def by_ids(
    db: Db, viewer: Viewer, ids: Collection[UUID], storage: Storage
) -> dict[UUID, Comment]:
    """Give comments as the viewer sees them; what is no comment is left out."""
    threads = await store.by_ids(db, ids)
    return {each.id: each for each in await shown(db, viewer, list(threads.values()), storage)}


async def threads(db: Db, ids: Collection[UUID]) -> dict[UUID, Thread]:
    """Read the places of comments; what is no comment is left out."""
    return await store.by_ids(db, ids)


async def shown(
    db: Db, viewer: Viewer, places: Sequence[Thread], storage: Storage
) -> list[Comment]:
    """Show comments in the order of their places; a retracted one keeps its own."""
    found = await display.show(db, viewer, [each.id for each in places], storage, whole=True)
    return [
        Comment(**asdict(found[each.id]), parent_id=each.parent_id, depth=each.depth)
        for each in places
    ]


async def rebuild(db: Db, ids: Collection[UUID]) -> int:
    """Compare the comment counters of items with their comments, and repair; says how many."""
    await store.begin_repeatable(db)
    counted = await store.counted(db, ids)
    return await engagement.repair(db, {each: {"comments": n} for each, n in counted.items()})


async def _place(
    db: Db, viewer: Viewer, item_id: UUID, parent_id: UUID | None, now: datetime
) -> Thread:
    item = await _live(db, viewer, item_id)
    if item.kind == "COMMENT":
        # Whoever writes under a comment answers it, or one of the answers to it.
        parent_id = parent_id or item_id
    if parent_id is None:
        await _check_open(db, viewer, item)
        return _under(new_id(), item_id, None, now)
    # First the hold, then the look: who is taking it away is waited for.
    parent = await store.hold(db, parent_id, shared=True)
    if parent is None or item_id not in {parent.target_id, parent.id, parent.parent_id}:
        raise NoSuchItem("There is no such comment under this item.")
    await _live(db, viewer, parent.id)
    await _check_open(db, viewer, await _live(db, viewer, parent.target_id))
    if parent.depth >= DEEPEST:
        raise TooDeep
    return _under(new_id(), parent.target_id, parent, now)


async def _check_open(db: Db, viewer: Viewer, item: items.StoredItem) -> None:
    """Look that an item's author takes comments from the viewer.

    Raises:
        CommentsClosed: they take them from nobody, or only from people whom they follow.

    """
    if item.author_id is None or viewer.id is None or item.author_id == viewer.id:
        return
    settings = (await users.settings_of(db, [item.author_id])).get(item.author_id)
    audience = settings.who_may_comment if settings else "everyone"
    if not await graph.admits(db, item.author_id, audience, viewer.id):
        raise CommentsClosed


async def _clear(db: Db, place: Thread) -> None:
    """Remove a place that nobody answered, and those above it that stood for it alone."""
    leaf: Thread | None = place
    while leaf is not None and await store.remove_leaf(db, leaf.id):
        await engagement.add_delta(db, leaf.target_id, "comments", -1)
        if leaf.parent_id is None:
            return
        await engagement.add_delta(db, leaf.parent_id, "comments", -1)
        leaf = await store.hold(db, leaf.parent_id)


def _under(comment_id: UUID, target_id: UUID, parent: Thread | None, at: datetime) -> Thread:
    return Thread(
        id=comment_id,
        target_id=target_id,
        parent_id=parent.id if parent else None,
        root_id=parent.root_id if parent else comment_id,
        depth=parent.depth + 1 if parent else 0,
        created_at=at,
    )


async def _live(db: Db, viewer: Viewer, item_id: UUID) -> items.StoredItem:
    item = (await items.by_ids(db, [item_id])).get(item_id)
    if item is None or not await display.seen(db, viewer, [item]):
        raise NoSuchItem
    return item


async def _sent_before(
    db: Db, place: Thread, author_id: UUID, body: str, now: datetime
) -> UUID | None:
    recent = await store.since(db, place.target_id, now - SAME_WITHIN, _MOST_COMPARED)
    beside = [each.id for each in recent if each.parent_id == place.parent_id]
    for item_id, item in (await items.by_ids(db, beside)).items():
        if item.author_id == author_id and item.body_text == body and item.state == "live":
            return item_id
    return None


async def _insert(
    db: Db, place: Thread, author_id: UUID | None, mentions: tuple[UUID, ...] = ()
) -> bool:
    if not await store.insert(db, place):
        return False
    await engagement.add_delta(db, place.target_id, "comments", 1)
    if place.parent_id is not None:
        # Of a comment, its direct answers are counted; of an item, everything under it.
        await engagement.add_delta(db, place.parent_id, "comments", 1)
    event = CommentCreated(
        id=place.id,
        target_id=place.target_id,
        parent_id=place.parent_id,
        author_id=author_id,
        mentions=mentions,
    )
    await outbox.emit(db, event, key=place.target_id)
    return True


async def forget(db: Db, ids: Collection[UUID]) -> None:
    """Remove the places of comments that are removed whole, and of those under such items."""
    await store.forget(db, ids)
