"""What viewers do to items, and what is counted of it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Literal, TypeAlias
from uuid import UUID

from msgspec.structs import replace
from prometheus_client import Counter

from server.engagement import counters, polls, store
from server.engagement.events import EngagementRecorded
from server.engagement.model import (
    FIELDS,
    AlreadyVoted,
    Ballot,
    Counts,
    Done,
    Edge,
    Field,
    Flags,
    ItemCounts,
    NoSuchItem,
    Standing,
    Votes,
)
from server.kernel.database import Db
from server.kernel.problems import SignInFirst
from server.kernel.viewer import Viewer

Act: TypeAlias = Literal["like", "unlike", "bookmark", "unbookmark", "repost", "unrepost"]

SEEN_BATCH = 5_000
# A visitor is known by a cursor only, and that is seldom older than its ledger.
_VISITORS_SAW = timedelta(days=2)
_READERS_SAW = timedelta(days=90)

EDGES: Mapping[Act, tuple[Edge, Field, bool]] = {
    "like": ("like", "likes", True),
    "unlike": ("like", "likes", False),
    "bookmark": ("bookmark", "bookmarks", True),
    "unbookmark": ("bookmark", "bookmarks", False),
    "repost": ("repost", "reposts", True),
    "unrepost": ("repost", "reposts", False),
}


@cache
def drift_found() -> Counter:
    """What was found wrong; only a process that compares shows it."""
    return Counter("counter_drift_total", "Counters that did not equal their edges; 0 is right.")


async def like(db: Db, viewer: Viewer, item_id: UUID) -> Standing:
    """Like an item; liking it again changes nothing.

    Raises:
        SignInFirst: the viewer is a visitor.
        NoSuchItem: there is no such item, it is gone, or its author and the viewer are blocked.

    """
    return await _act(db, viewer, item_id, "like")


async def unlike(db: Db, viewer: Viewer, item_id: UUID) -> Standing:
    """Take a like back; without one nothing changes. Refused as `like` is."""
    return await _act(db, viewer, item_id, "unlike")


async def bookmark(db: Db, viewer: Viewer, item_id: UUID) -> Standing:
    """Keep an item for later; keeping it again changes nothing. Refused as `like` is."""
    return await _act(db, viewer, item_id, "bookmark")


async def unbookmark(db: Db, viewer: Viewer, item_id: UUID) -> Standing:
    """Keep an item no longer; without a bookmark nothing changes. Refused as `like` is."""
    return await _act(db, viewer, item_id, "unbookmark")


async def repost(db: Db, viewer: Viewer, item_id: UUID) -> Standing:
    """Pass an item on to one's followers; doing it again changes nothing. Refused as `like` is."""
    return await _act(db, viewer, item_id, "repost")


async def unrepost(db: Db, viewer: Viewer, item_id: UUID) -> Standing:
    """Take a repost back; without one nothing changes. Refused as `like` is."""
    return await _act(db, viewer, item_id, "unrepost")


async def toggle(db: Db, viewer: Viewer, item_id: UUID, edge: Edge) -> Standing:
    """Do what was not done, or take back what was. Refused as `like` is.

    Sent twice it comes to nothing: so only with a key by which the second one is recognised.
    """
    if viewer.id is None:
        raise SignInFirst
    done = await store.flags(db, viewer.id, [item_id])
    there = {"like": done.liked, "bookmark": done.bookmarked, "repost": done.reposted}[edge]
    act: Act = _REVERSE[edge] if item_id in there else edge
    return await _act(db, viewer, item_id, act)


_REVERSE: Mapping[Edge, Act] = {
    "like": "unlike",
    "bookmark": "unbookmark",
    "repost": "unrepost",
}


async def by_name(db: Db, viewer: Viewer, item_id: UUID, act: Act) -> Standing:
    """Do what the act says. Refused as `like` is."""
    return await _act(db, viewer, item_id, act)


async def _act(db: Db, viewer: Viewer, item_id: UUID, act: Act) -> Standing:
    if viewer.id is None:
        raise SignInFirst
    edge, _, present = EDGES[act]
    event = EngagementRecorded(action=act, item_id=item_id, user_id=viewer.id)
    return standing(item_id, act, await store.act(db, edge, present=present, event=event))


def standing(item_id: UUID, act: Act, acted: store.Acted) -> Standing:
    """Say how an item stands after an act.

    Raises:
        NoSuchItem: there is none for this viewer.

    """
    if not acted.found:
        raise NoSuchItem
    edge, field, present = EDGES[act]
    change = (1 if present else -1) if acted.changed else 0
    return Standing(
        id=item_id,
        counts=replace(acted.counts, **{field: getattr(acted.counts, field) + change}),
        liked_by_me=present if edge == "like" else acted.liked,
        bookmarked_by_me=present if edge == "bookmark" else acted.bookmarked,
        reposted_by_me=present if edge == "repost" else acted.reposted,
    )


async def counts(db: Db, ids: Collection[UUID]) -> dict[UUID, Counts]:
    """Read the counters of items; every id has some, of an item that nobody touched all are 0."""
    known = await counters.counts(db, ids)
    return {item_id: known.get(item_id, _NONE) for item_id in ids}


_NONE = Counts()


async def item_counts(db: Db, ids: Collection[UUID]) -> list[ItemCounts]:
    """Read the counters of items as a `counters` frame carries them."""
    return [
        ItemCounts(
            id=item_id,
            version=each.version,
            **{field: getattr(each, field) for field in FIELDS},
        )
        for item_id, each in (await counts(db, ids)).items()
    ]


async def flags(db: Db, viewer: Viewer, ids: Collection[UUID]) -> Flags:
    """Read which of some items the viewer likes, has bookmarked, has reposted; a visitor none."""
    return Flags() if viewer.id is None else await store.flags(db, viewer.id, ids)


async def done_by(
    db: Db, edge: Edge, user_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[Done]:
    """Read what a person likes, keeps or has reposted, the last first; who may, others decide."""
    return await store.done_by(db, edge, user_id, before, limit)


async def done_to(
    db: Db, edge: Edge, item_id: UUID, *, before: UUID | None, limit: int
) -> list[Done]:
    """Read who did something to an item, by their ids; who may see it, others decide."""
    return await store.done_to(db, edge, item_id, before, limit)


async def vote(db: Db, viewer: Viewer, poll_id: UUID, option: int) -> Ballot:
    """Vote in a poll, once and for good; whether it takes votes, its owner has looked.

    Raises:
        SignInFirst: the viewer is a visitor.
        AlreadyVoted: they voted for another option before.

    """
    if viewer.id is None:
        raise SignInFirst
    cast = await polls.cast(db, poll_id, viewer.id, option)
    if cast.option != option:
        raise AlreadyVoted("You have voted for another option, and a vote is final.")
    return Ballot(cast.votes, option)


async def votes(db: Db, ids: Collection[UUID]) -> dict[UUID, Votes]:
    """Read the votes of polls; one in which nobody voted is left out."""
    return await polls.votes(db, ids)


async def own_votes(db: Db, viewer: Viewer, ids: Collection[UUID]) -> dict[UUID, int]:
    """Read for which options the viewer voted; a poll in which they did not is left out."""
    return {} if viewer.id is None else await polls.own(db, viewer.id, ids)


async def add_delta(db: Db, item_id: UUID, field: Field, change: int) -> None:
    """Count something that another domain keeps the edges of, such as a comment."""
    await counters.add_deltas(db, [(item_id, field, change)])


async def sample(db: Db, start: UUID, most: int) -> list[UUID]:
    """Choose items for a recount: the newest that anybody touched, and as many from an id on."""
    return await counters.sample(db, start, most)


async def rebuild(db: Db, ids: Collection[UUID]) -> int:
    """Compare counters with the edges kept here and repair by deltas; says how many differed.

    A difference is a bug: it is counted in `counter_drift_total`.
    """
    compared = await counters.recount(db, ids)
    return await _repair(db, compared, {each.item_id: each.edges for each in compared})


async def voters(db: Db, poll_id: UUID, *, after: UUID | None = None, most: int) -> list[UUID]:
    """Read who voted in a poll, in the order of their ids, after one of them."""
    return await polls.voters(db, poll_id, after, most)


async def rebuild_polls(db: Db, most: int) -> int:
    """Compare the newest polls with their votes, and repair; says how many counts differed."""
    wrong = await polls.mend(db, most)
    drift_found().inc(wrong)
    return wrong


async def repair(db: Db, truth: Mapping[UUID, Mapping[Field, int]]) -> int:
    """Bring counters to what another domain counted of its edges; says how many differed.

    The transaction must be `repeatable read`, so that both are counted in the same snapshot.
    """
    return await _repair(db, await counters.recount(db, truth), truth)


async def _repair(
    db: Db, compared: Sequence[counters.Recount], truth: Mapping[UUID, Mapping[Field, int]]
) -> int:
    # Always by a delta: an absolute value would undo what others are about to fold.
    changes = [
        (each.item_id, field, right - each.known[field])
        for each in compared
        for field, right in truth[each.item_id].items()
        if right != each.known[field]
    ]
    await counters.add_deltas(db, changes)
    drift_found().inc(len(changes))
    return len(changes)


async def forget_seen(db: Db, now: datetime) -> bool:
    """Remove a batch of impressions that nobody needs any more; False when no more are left.

    By them a session whose ledger was lost, or ended a day after its last use, repeats nothing.
    """
    visitors = await store.forget_seen(db, "visitors", now - _VISITORS_SAW, SEEN_BATCH)
    readers = await store.forget_seen(db, "readers", now - _READERS_SAW, SEEN_BATCH)
    return max(visitors, readers) == SEEN_BATCH


async def forget(db: Db, ids: Collection[UUID]) -> None:
    """Remove all that was done to items, with its counters; for items that are removed whole."""
    await store.forget(db, ids)
