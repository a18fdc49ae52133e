"""What viewers do to items, and what is counted of it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Literal, TypeAlias
from uuid import UUID

from msgspec.structs import replace
from prometheus_client import Counter

from server.engagement import counters, store
from server.engagement.events import EngagementRecorded
from server.engagement.model import (
    FIELDS,
    Counts,
    Edge,
    Field,
    Flags,
    ItemCounts,
    NoSuchItem,
    Standing,
)
from server.kernel.database import Db
from server.kernel.problems import SignInFirst
from server.kernel.viewer import Viewer

Act: TypeAlias = Literal["like", "unlike", "bookmark", "unbookmark"]

SEEN_BATCH = 5_000
# A visitor is known by a cursor only, and that is seldom older than its ledger.
_VISITORS_SAW = timedelta(days=2)
_READERS_SAW = timedelta(days=90)

_EDGES: Mapping[Act, tuple[Edge, Field, bool]] = {
    "like": ("like", "likes", True),
    "unlike": ("like", "likes", False),
    "bookmark": ("bookmark", "bookmarks", True),
    "unbookmark": ("bookmark", "bookmarks", False),
}


@cache
def drift_found() -> Counter:
    """What was found wrong; only a process that compares shows it."""
    return Counter("counter_drift_total", "Counters that did not equal their edges; 0 is right.")


async def like(db: Db, viewer: Viewer, item_id: UUID) -> Standing:
    """Like an item; liking it again changes nothing.

    Raises:
        SignInFirst: the viewer is a visitor.
        NoSuchItem: there is no such item, or it is gone.

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


async def _act(db: Db, viewer: Viewer, item_id: UUID, act: Act) -> Standing:
    if viewer.id is None:
        raise SignInFirst
    edge, field, present = _EDGES[act]
    event = EngagementRecorded(action=act, item_id=item_id, user_id=viewer.id)
    acted = await store.act(db, edge, present=present, event=event)
    if not acted.found:
        raise NoSuchItem
    change = (1 if present else -1) if acted.changed else 0
    return Standing(
        id=item_id,
        counts=replace(acted.counts, **{field: getattr(acted.counts, field) + change}),
        liked_by_me=present if edge == "like" else acted.liked,
        bookmarked_by_me=present if edge == "bookmark" else acted.bookmarked,
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
    """Read which of some items the viewer likes and has bookmarked; a visitor none."""
    return Flags() if viewer.id is None else await store.flags(db, viewer.id, ids)


async def add_delta(db: Db, item_id: UUID, field: Field, change: int) -> None:
    """Count something that another domain keeps the edges of, such as a comment."""
    await counters.add_deltas(db, [(item_id, field, change)])


async def sample(db: Db, start: UUID, most: int) -> list[UUID]:
    """Choose items for a recount: the newest that anybody touched, and as many from an id on."""
    return await counters.sample(db, start, most)


async def rebuild(db: Db, ids: Collection[UUID]) -> int:
    """Compare likes and bookmarks with their edges and repair by deltas; says how many differed.

    A difference is a bug: it is counted in `counter_drift_total`.
    """
    compared = await counters.recount(db, ids)
    return await _repair(db, compared, {each.item_id: each.edges for each in compared})


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
