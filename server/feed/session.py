"""A reader's scroll: pages of one ledger, whoever asks for them, by whichever transport."""

import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Protocol, TypeAlias
from uuid import UUID

from msgspec import Struct
from prometheus_client import Counter

from server.feed.cursor import Cursor, Cursors
from server.feed.ledger import Ledger
from server.feed.model import Entry, FeedName, Log
from server.kernel.ids import new_id
from server.kernel.problems import Unavailable
from server.kernel.viewer import Viewer

# A slide holds four items and a card one: either way a session sees at most 2,400 items, after
# which the feed has no more for it. What was given stays; another session starts from the top.
MOST_ENTRIES: dict[FeedName, int] = {"news": 600, "foryou": 2400}
# How often two who extend one ledger at once may get in each other's way.
ATTEMPTS = 8

full = Counter("feed_sessions_full_total", "Pages asked of a full ledger.", ("feed",))
restarts = Counter("feed_sessions_restarted_total", "Sessions whose ledger was lost.", ("feed",))

Next: TypeAlias = Callable[[Log, int], Awaitable[Sequence[Entry]]]


class Memory(Protocol):
    """Knows what sessions have seen, ledger or not."""

    async def seen(self, session: UUID) -> frozenset[UUID]:
        """Give the items that a session has seen."""
        ...

    def note(self, place: Cursor, seq: int, ids: Iterable[UUID]) -> None:
        """Note that the items at one seq of a session were seen."""
        ...


class Asked(Struct, frozen=True, kw_only=True):
    """What a reader asks of a feed."""

    feed: FeedName
    viewer: Viewer
    cursor: str | None
    limit: int
    # Items that the reader holds, though no impression says so yet.
    held: frozenset[UUID] = frozenset()
    # What a new session begins with: all of it is written at once, however short the page.
    lead: Sequence[UUID] = ()
    # No acknowledgement will come, so the page counts as seen when it is given.
    seen_when_given: bool = False


class Given(Struct, frozen=True):
    """A page: entries with their seqs, and the place after them."""

    log: Log
    place: Cursor
    cursor: str
    entries: list[tuple[int, Entry]]
    has_more: bool
    restarted: bool

    @property
    def first_seq(self) -> int:
        """The seq of the first entry, or the one that it would have."""
        return self.entries[0][0] if self.entries else self.place.seq + 1


class Sessions:
    """Gives pages of sessions."""

    def __init__(self, *, ledger: Ledger, cursors: Cursors, memory: Memory) -> None:
        self._ledger = ledger
        self._cursors = cursors
        self._memory = memory

    async def page(self, asked: Asked, following: Next) -> Given:
        """Give the page after a cursor, the same page however often it is asked for.

        What is not in the ledger yet is made by `following` and written there first.

        Raises:
            CursorInvalid: the cursor is not one of this feed and reader.
            Unavailable: the ledger cannot be read, or others kept extending it.

        """
        place = self._place(asked)
        for _ in range(ATTEMPTS):
            found = await self._ledger.read(place.session)
            restarted = lost(found, place)
            log = found or await self._new_log(place, asked.held)
            start = log.base if restarted else place.seq
            end = start + max(asked.limit, len(asked.lead))
            made = await self._made(asked.feed, log, end, following)
            wanted = made[: max(0, end - log.tail)]
            anew = restarted and found is None
            if (wanted or anew) and not await self._ledger.append(log, wanted):
                continue
            if anew:
                restarts.labels(asked.feed).inc()
            log = Log(log.session, log.epoch, log.base, (*log.entries, *wanted), log.barred)
            has_more = len(made) > len(wanted) or log.tail > start + asked.limit
            return self._given(asked, log, start, has_more=has_more, restarted=restarted)
        raise Unavailable("Others kept extending this session at the same time.")

    def cursor_at(self, place: Cursor, seq: int) -> str:
        """Write the cursor of another seq of the same session."""
        return self._cursors.write(Cursor(place.feed, place.session, place.epoch, seq, place.owner))

    def _place(self, asked: Asked) -> Cursor:
        if asked.cursor:
            return self._cursors.read(asked.cursor, asked.feed, asked.viewer)
        return Cursor(asked.feed, new_id(), secrets.randbits(32), 0, asked.viewer.id)

    async def _new_log(self, place: Cursor, held: Collection[UUID]) -> Log:
        if place.seq == 0:
            return Log(place.session, place.epoch)
        barred = await self._memory.seen(place.session) | frozenset(held)
        return Log(place.session, secrets.randbits(32), place.seq, barred=barred)

    async def _made(self, feed: FeedName, log: Log, end: int, following: Next) -> Sequence[Entry]:
        # One more than is asked for tells whether there is more; it is not written.
        room = MOST_ENTRIES[feed] - len(log.entries)
        if room <= 0:
            full.labels(feed).inc()
        count = min(end + 1 - log.tail, room)
        return await following(log, count) if count > 0 else ()

    def _given(
        self, asked: Asked, log: Log, start: int, *, has_more: bool, restarted: bool
    ) -> Given:
        entries = log.between(start, start + asked.limit)
        seq = entries[-1][0] if entries else start
        place = Cursor(asked.feed, log.session, log.epoch, seq, asked.viewer.id)
        cursor = self._cursors.write(place)
        if asked.seen_when_given:
            for at, entry in entries:
                self._memory.note(place, at, entry.ids)
        return Given(log, place, cursor, entries, has_more, restarted)


def lost(log: Log | None, place: Cursor) -> bool:
    """Whether what the reader was given is not what the ledger holds."""
    if log is None:
        return place.seq > 0
    return log.epoch != place.epoch or not log.base <= place.seq <= log.tail
