"""Posting, editing, deleting and voting, and what others may read of posts."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from server import engagement, graph, items, users
from server.engagement import NoSuchItem
from server.items import NewItem
from server.kernel import outbox, writing
from server.kernel.database import Db
from server.kernel.ids import floor_of, new_id
from server.kernel.problems import NotAllowed
from server.kernel.viewer import Viewer
from server.posts import store
from server.posts.events import LinkCarded, PollClosed, PostCreated, PostDeleted, PostEdited
from server.posts.model import (
    LinkCard,
    NotOfThisPoll,
    Picture,
    Poll,
    PollEnded,
    Post,
    PostDraft,
    PostEdit,
    PostVersion,
    Question,
    TooLateToEdit,
    Words,
    as_seen,
    read,
    read_options,
)

# Fresh links are on their way to the workers already; the sweep looks for what was left behind.
SWEEP_AGE = timedelta(minutes=2)


class Rules(Struct, frozen=True):
    """How long a post may be, and for how long it can be edited."""

    characters: int
    edit_seconds: float


async def create(
    db: Db,
    viewer: Viewer,
    draft: PostDraft,
    pictures: Sequence[Picture],
    rules: Rules,
    now: datetime,
) -> UUID:
    """Post something; the pictures are the viewer's own, and there.

    Raises:
        SignInFirst: the viewer is a visitor.
        NotAllowed: the viewer is suspended.
        Malformed: the text, a tag or the poll cannot be used.
        NoSuchItem: what is quoted is not there, is gone, or is not for the viewer.

    """
    words = read(draft.body, rules.characters, tags=draft.tags, may_be_empty=bool(pictures))
    options = read_options(draft.poll) if draft.poll else None
    author = await users.hold_active(db, viewer)
    if draft.quote_of is not None:
        await _check_seen(db, viewer, draft.quote_of)
    post = Post(
        id=new_id(),
        author_id=author.id,
        quote_of=draft.quote_of,
        mentions=await named(db, author.id, words.names),
        link_url=words.link,
        link=None,
        media=list(pictures),
        created_at=now,
        edited_at=None,
        counted=True,
    )
    await items.write(
        db,
        NewItem(
            id=post.id,
            kind="PHOTO" if pictures else "TWEET",
            author_id=author.id,
            body_text=words.text,
            body_html=words.html,
            tags=words.tags,
        ),
        now,
    )
    await store.insert(db, post)
    if draft.poll and options:
        ends = now + timedelta(seconds=draft.poll.seconds)
        await store.add_poll(db, Question(post.id, options, ends))
    if post.quote_of is not None:
        await engagement.add_delta(db, post.quote_of, "quotes", 1)
    await users.count(db, author.id, posts=1)
    event = PostCreated(
        id=post.id,
        author_id=author.id,
        created_at=now,
        quote_of=post.quote_of,
        mentions=tuple(post.mentions),
        link_url=post.link_url,
    )
    await outbox.emit(db, event, key=author.id)
    return post.id


async def edit(
    db: Db, viewer: Viewer, post_id: UUID, given: PostEdit, rules: Rules, now: datetime
) -> None:
    """Give one's own post other words; what it said before can be read for good.

    Raises:
        SignInFirst: the viewer is a visitor.
        NotAllowed: the viewer is suspended, or another wrote it.
        NoSuchItem: there is no such post, or it is gone.
        TooLateToEdit: it is too old, or people vote in it.
        Malformed: the text cannot be used.

    """
    author = await users.hold_active(db, viewer)
    post, item = await _live(db, post_id)
    if post.author_id != author.id:
        raise NotAllowed("Only who wrote a post can edit it.")
    if now - post.created_at > timedelta(seconds=rules.edit_seconds):
        raise TooLateToEdit(f"A post can be edited for {rules.edit_seconds / 60:.0f} minutes.")
    if await store.questions(db, [post_id]):
        raise TooLateToEdit("What people vote on stays as it is.")
    # The tags that did not come from the text stay.
    kept = [each for each in item.tags if each not in writing.pointers(item.body_text).tags]
    words = read(given.body, rules.characters, tags=kept, may_be_empty=bool(post.media))
    if words.text == item.body_text:
        return
    await _rewrite(db, post, item, words, now)


async def delete(db: Db, viewer: Viewer, post_id: UUID) -> None:
    """Take a post away, one's own or, as an admin, any; when it is gone already nothing changes.

    Raises:
        SignInFirst: the viewer is a visitor.
        NotAllowed: another wrote it, and the viewer is no admin.
        NoSuchItem: there never was such a post.

    """
    post = await store.hold(db, post_id)
    if post is None:
        raise NoSuchItem("There is no such post.")
    if post.author_id != viewer.id and not viewer.is_admin:
        raise NotAllowed("Only who wrote a post can delete it.")
    await items.retract(db, viewer, [post_id])
    await settle(db, [post_id])


async def settle(db: Db, ids: Collection[UUID]) -> None:
    """Let posts count while they are live, whoever took them away or brought them back."""
    for changed in await store.settle(db, ids):
        change = 1 if changed.counted else -1
        if changed.quote_of is not None:
            await engagement.add_delta(db, changed.quote_of, "quotes", change)
        await users.count(db, changed.author_id, posts=change)
        if not changed.counted:
            event = PostDeleted(id=changed.id, author_id=changed.author_id)
            await outbox.emit(db, event, key=changed.author_id)


async def vote(db: Db, viewer: Viewer, post_id: UUID, option: int) -> Poll:
    """Vote in the poll of a post, once and for good; the same vote again changes nothing.

    Raises:
        SignInFirst: the viewer is a visitor.
        NotAllowed: the viewer is suspended.
        NoSuchItem: there is no such poll, it is gone, or it is not for the viewer.
        NotOfThisPoll: it has no such option.
        PollEnded: it has ended.
        AlreadyVoted: the viewer has voted for another option.

    """
    await users.hold_active(db, viewer)
    # Not held: a thousand who vote at once do not wait for each other.
    await _check_seen(db, viewer, post_id)
    question = (await store.questions(db, [post_id])).get(post_id)
    if question is None:
        raise NoSuchItem("There is no such poll.")
    if option >= len(question.options):
        raise NotOfThisPoll(f"The poll has options 0 to {len(question.options) - 1}.")
    if question.ended:
        raise PollEnded
    ballot = await engagement.vote(db, viewer, post_id, option)
    return as_seen(question, ballot.votes, ballot.option)


async def close_polls(db: Db, now: datetime, most: int) -> int:
    """Tell, once, of polls whose time is over; says how many."""
    closed = await store.close_polls(db, now, most)
    for poll_id in closed:
        await outbox.emit(db, PollClosed(id=poll_id), key=poll_id)
    return len(closed)


async def by_ids(db: Db, ids: Collection[UUID]) -> dict[UUID, Post]:
    """Read what is kept of posts beside their items; what is no post is left out."""
    return await store.by_ids(db, ids)


async def polls(db: Db, viewer: Viewer, ids: Collection[UUID]) -> dict[UUID, Poll]:
    """Read the polls of posts as the viewer sees them; a post without one is left out."""
    questions = await store.questions(db, ids)
    if not questions:
        return {}
    votes = await engagement.votes(db, questions)
    mine = await engagement.own_votes(db, viewer, questions)
    return {
        poll_id: as_seen(question, votes.get(poll_id), mine.get(poll_id))
        for poll_id, question in questions.items()
    }


async def history(db: Db, viewer: Viewer, post_id: UUID) -> list[PostVersion]:
    """Read what a post said before, the last first.

    Raises:
        NoSuchItem: there is no such post, it is gone, or it is not for the viewer.

    """
    await _check_seen(db, viewer, post_id)
    return await store.versions(db, post_id)


async def to_card(db: Db, post_id: UUID) -> str | None:
    """Give the link of a post that nobody has looked at yet."""
    post = (await store.by_ids(db, [post_id])).get(post_id)
    return post.link_url if post is not None and post.link is None else None


async def card(db: Db, post_id: UUID, card: LinkCard) -> None:
    """Keep what a post's link leads to; of a link that was edited away nothing is kept."""
    if await store.card(db, post_id, card) and card.kind != "none":
        await outbox.emit(db, LinkCarded(id=post_id), key=post_id)


async def uncarded(db: Db, now: datetime, most: int) -> list[UUID]:
    """Read which posts have a link that nobody looked at, for the sweep."""
    return await store.uncarded(db, floor_of(now - SWEEP_AGE), most)


async def rebuild(db: Db, ids: Collection[UUID]) -> int:
    """Compare the quote counters of items with the posts that quote them, and repair.

    The transaction must be fresh, since it is made `repeatable read`; says how many differed.
    """
    await store.begin_repeatable(db)
    quoted = await store.quoted(db, ids)
    return await engagement.repair(db, {each: {"quotes": n} for each, n in quoted.items()})


async def named(db: Db, author_id: UUID, names: Collection[str]) -> list[UUID]:
    """Find the people whom a text names, without its author.

    Who is not here, or does not let the author mention them, is only a word.
    """
    found = await users.by_usernames(db, names)
    in_order = {each.username.lower(): each.id for each in found if each.state == "active"}
    ids = [in_order[name.lower()] for name in names if name.lower() in in_order]
    settings = await users.settings_of(db, ids)
    return [
        each
        for each in ids
        if each != author_id
        and await graph.admits(db, each, settings[each].who_may_mention, author_id)
    ]


async def forget(db: Db, ids: Collection[UUID]) -> None:
    """Remove what is kept of posts that are removed whole."""
    await store.forget(db, ids)


async def _rewrite(db: Db, post: Post, item: items.StoredItem, words: Words, now: datetime) -> None:
    people = await named(db, post.author_id, words.names)
    new_link = words.link if words.link != post.link_url else None
    edited = replace(
        post,
        mentions=people,
        link_url=words.link,
        link=post.link if words.link == post.link_url else None,
    )
    given = items.Words(body_text=words.text, body_html=words.html, tags=words.tags)
    await items.rewrite(db, post.id, given, now)
    await store.edit(db, edited, item.body_text, now)
    event = PostEdited(
        id=post.id,
        author_id=post.author_id,
        mentions=tuple(each for each in people if each not in post.mentions),
        link_url=new_link,
    )
    await outbox.emit(db, event, key=post.author_id)


async def _live(db: Db, post_id: UUID) -> tuple[Post, items.StoredItem]:
    post = await store.hold(db, post_id)
    item = (await items.by_ids(db, [post_id])).get(post_id)
    if post is None or item is None or item.state != "live":
        raise NoSuchItem("There is no such post.")
    return post, item


async def _check_seen(db: Db, viewer: Viewer, item_id: UUID) -> None:
    """Look that an item is live, and that its author is in order and not blocked.

    Raises:
        NoSuchItem: it is not for this viewer.

    """
    item = (await items.by_ids(db, [item_id])).get(item_id)
    if item is None or item.state != "live":
        raise NoSuchItem
    if item.author_id is None or item.author_id == viewer.id:
        return
    author = (await users.by_ids(db, [item.author_id])).get(item.author_id)
    in_order = author is not None and author.state == "active"
    if not in_order or not await graph.may_interact(db, viewer, item.author_id):
        raise NoSuchItem


async def counted(db: Db, authors: Collection[UUID]) -> dict[UUID, int]:
    """Count people's posts that are live, for who compares."""
    return await store.truth(db, authors)
