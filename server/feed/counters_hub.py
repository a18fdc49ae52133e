"""The counters that screens of this node watch: changes go out at once, then coalesced.

A screen that was still gets a change in the same turn of the loop; then it rests for 100 ms, and
what moved meanwhile goes out as one frame. Screens that are owed the same change share its bytes.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any, Protocol
from uuid import UUID

import msgspec
from msgspec import Raw
from prometheus_client import Counter, Gauge
from sqlalchemy.exc import SQLAlchemyError

from realtime import Frame
from server.engagement import ItemCounts
from server.feed.model import WATCHED_MOST
from server.kernel.logs import log

EVENT = "counters"
REST_SECONDS = 0.1
READ_AT_ONCE = 500
RETRY_SECONDS = 1.0

_encode = msgspec.json.Encoder().encode
_log = log("counters")
watched_items = Gauge("feed_watched_items", "Items that screens of this node watch.")
frames_sent = Counter("feed_counter_frames_total", "Counter frames sent to screens.")
let_go = Counter("feed_watches_let_go_total", "Watched items let go: a screen watched too many.")


class Screen(Protocol):
    """A channel that can be sent a shared frame."""

    topic: str

    def push_frame(self, frame: Frame) -> None:
        """Send the frame."""
        ...


class Timer(Protocol):
    """The part of an event loop that tells the time and calls later."""

    def time(self) -> float:
        """Give the time in seconds."""
        ...

    def call_later(self, delay: float, callback: Callable[[], Any]) -> Any:
        """Call after so many seconds."""
        ...


class Watcher:
    """One screen: what it watches, and what it is owed while it rests."""

    __slots__ = ("ids", "owed", "resting", "screen")

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        # A dict for its order: the item watched longest is let go first.
        self.ids: dict[UUID, None] = {}
        # Encoded, once for all screens.
        self.owed: dict[_Watched, bytes] = {}
        self.resting = False


class _Watched:
    """One item: its newest version that came by, and who watches it.

    By these, and not by ids, screens know what they are owed: a UUID's hash is slow, and there are
    a million of these steps in a second of a storm.
    """

    __slots__ = ("version", "watchers")

    def __init__(self) -> None:
        self.version = -1
        self.watchers: dict[Watcher, None] = {}


MakeFrame = Callable[[str, str, Raw], Frame]
ReadCounts = Callable[[Collection[UUID]], Awaitable[Iterable[ItemCounts]]]


class CountersHub:
    """Knows which screens of this node watch which items."""

    def __init__(self, *, make_frame: MakeFrame, read: ReadCounts, timer: Timer) -> None:
        self._make_frame = make_frame
        self._read = read
        self._timer = timer
        self._items: dict[UUID, _Watched] = {}
        # Every screen rests equally long, so the first in is the first out.
        self._resting: deque[tuple[float, Watcher]] = deque()
        self._rereading: asyncio.Task[None] | None = None
        self._again = False

    def watch(self, watcher: Watcher, ids: Iterable[UUID]) -> None:
        """Send the screen what moves of these items, too."""
        for item in ids:
            watcher.ids.pop(item, None)
            watcher.ids[item] = None
            watched = self._items.get(item)
            if watched is None:
                watched = self._items[item] = _Watched()
            watched.watchers[watcher] = None
        surplus = list(watcher.ids)[: max(0, len(watcher.ids) - WATCHED_MOST)]
        let_go.inc(len(surplus))
        self.unwatch(watcher, surplus)

    def unwatch(self, watcher: Watcher, ids: Iterable[UUID]) -> None:
        """Send the screen nothing more of these items."""
        for item in ids:
            if item not in watcher.ids:
                continue
            del watcher.ids[item]
            watched = self._items[item]
            watcher.owed.pop(watched, None)
            del watched.watchers[watcher]
            if not watched.watchers:
                del self._items[item]
        watched_items.set(len(self._items))

    def leave(self, watcher: Watcher) -> None:
        """Forget a screen."""
        self.unwatch(watcher, list(watcher.ids))

    def changed(self, moved: Iterable[ItemCounts]) -> None:
        """Tell screens that counters moved; what is older than was told before is passed over."""
        due: dict[Watcher, None] = {}
        for counts in moved:
            watched = self._items.get(counts.id)
            if watched is None or counts.version <= watched.version:
                continue
            watched.version = counts.version
            encoded = _encode(counts)
            for watcher in watched.watchers:
                watcher.owed[watched] = encoded
                if not watcher.resting:
                    due[watcher] = None
        self._send(due)

    def reread(self) -> None:
        """Something may have been missed: read what is watched, and tell what is newer."""
        self._again = True
        if self._rereading is None:
            self._rereading = asyncio.create_task(self._reread())
            self._rereading.add_done_callback(self._reread_done)

    async def close(self) -> None:
        """Stop reading."""
        if self._rereading is not None:
            self._rereading.cancel()
            await asyncio.gather(self._rereading, return_exceptions=True)

    def _send(self, due: Iterable[Watcher]) -> None:
        # A frame is known by the very values that are in it, which it keeps alive meanwhile.
        frames: dict[tuple[Any, ...], tuple[Frame, list[bytes]]] = {}
        until = self._timer.time() + REST_SECONDS
        idle = not self._resting
        sent = 0
        for watcher in due:
            owed = list(watcher.owed.values())
            key = (watcher.screen.topic, *map(id, owed))
            made = frames.get(key)
            if made is None:
                payload = Raw(b'{"items":[' + b",".join(owed) + b"]}")
                frame = self._make_frame(watcher.screen.topic, EVENT, payload)
                made = frames[key] = frame, owed
            watcher.owed = {}
            watcher.resting = True
            self._resting.append((until, watcher))
            watcher.screen.push_frame(made[0])
            sent += 1
        frames_sent.inc(sent)
        if idle and self._resting:
            self._timer.call_later(REST_SECONDS, self._wake)

    def _wake(self) -> None:
        now = self._timer.time()
        due: list[Watcher] = []
        while self._resting and self._resting[0][0] <= now:
            _, watcher = self._resting.popleft()
            watcher.resting = False
            if watcher.owed:
                due.append(watcher)
        if self._resting:
            self._timer.call_later(self._resting[0][0] - now, self._wake)
        self._send(due)

    async def _reread(self) -> None:
        while self._again:
            self._again = False
            ids = list(self._items)
            for start in range(0, len(ids), READ_AT_ONCE):
                try:
                    self.changed(await self._read(ids[start : start + READ_AT_ONCE]))
                except (OSError, SQLAlchemyError) as error:
                    _log.warning("counters_not_read", error=type(error).__name__)
                    self._again = True
                    await asyncio.sleep(RETRY_SECONDS)

    def _reread_done(self, _task: "asyncio.Task[None]") -> None:
        self._rereading = None


def with_ids(counts: Mapping[UUID, Any]) -> list[ItemCounts]:
    """Give counters as a frame carries them."""
    return [
        ItemCounts(
            id=item,
            version=each.version,
            likes=each.likes,
            comments=each.comments,
            reposts=each.reposts,
            quotes=each.quotes,
            bookmarks=each.bookmarks,
        )
        for item, each in counts.items()
    ]
