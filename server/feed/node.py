"""What the feeds keep in one web process, from its start to its end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterable
from typing import Protocol
from uuid import UUID

from realtime import Broadcast, Endpoint, Frame
from server import engagement
from server.engagement import COUNTERS_EVENT, COUNTERS_TOPIC, ItemCounts
from server.feed.assemble import News
from server.feed.counters_hub import CountersHub, Timer, with_ids
from server.feed.cursor import Cursors
from server.feed.foryou import ForYou
from server.feed.impressions import Impressions
from server.feed.ledger import RedisLedger
from server.feed.model import Counters, Hidden, Retract
from server.feed.pool import NewsPool
from server.feed.related import Related
from server.feed.session import Sessions
from server.kernel.services import Services
from server.timelines import LIVE_TOPIC, Live, Timelines
from server.timelines.events import Appeared

# Told between nodes; no client can join it. Its events say what to read anew.
POOL_TOPIC = "pool"
NEW, CARDS, GONE, HIDDEN = "new", "cards", "gone", "hidden"


class Screen(Protocol):
    """A channel that shows a feed."""

    topic: str

    @property
    def reader(self) -> UUID | None:
        """Who looks at it."""
        ...

    def push_frame(self, frame: Frame) -> None:
        """Send the frame."""
        ...


class FeedNode:
    """The pools, the neighbourhoods, the sessions, the impressions and the watched counters."""

    def __init__(self, services: Services, endpoint: Endpoint, timer: Timer) -> None:
        self._services = services
        self._endpoint = endpoint
        # As many as there are open feeds on this node.
        self._screens: dict[Screen, None] = {}
        self.related = Related(services)
        self.pool = NewsPool(services, expect=self.related.expect)
        self.news = News(self.pool, self.related)
        self.foryou = ForYou(services)
        self.impressions = Impressions(services)
        self.sessions = Sessions(
            ledger=RedisLedger(services.redis),
            cursors=Cursors(services.policy.secret),
            memory=self.impressions,
        )
        self.counters = CountersHub(make_frame=endpoint.frame, read=self._read_counts, timer=timer)

    def open(self, screen: Screen) -> None:
        """Let a screen be told what not all screens are told."""
        self._screens[screen] = None

    def leave(self, screen: Screen) -> None:
        """One screen fewer."""
        self._screens.pop(screen, None)

    def forget(self, gone: Collection[UUID] | None = None) -> None:
        """Read everything anew, or what these items were in."""
        self.pool.forget()
        self.foryou.forget()
        self.related.forget(gone)

    def on_gap(self) -> None:
        """Take it that everything changed while the nodes could not hear one another."""
        self.forget()
        self.counters.reread()

    def on_pool(self, broadcast: Broadcast) -> None:
        """Hear what changed, and read that anew."""
        if broadcast.event == NEW:
            self.pool.forget()
        elif broadcast.event == CARDS:
            self.foryou.forget()
        elif broadcast.event == HIDDEN:
            self._hide(broadcast.decode(Hidden))
        else:
            # Without ids it is told of everything.
            self.forget(broadcast.decode(Retract).ids or None)

    def on_counters(self, broadcast: Broadcast) -> None:
        """Hear which counters moved."""
        if broadcast.event == COUNTERS_EVENT:
            self.counters.changed(broadcast.decode(Counters).items)
        else:
            # Whoever folds now may not have been told by the one before it.
            self.counters.reread()

    def _hide(self, hidden: Hidden) -> None:
        """Take items off all screens but those of their author, who is not to notice."""
        self.forget(hidden.ids)
        frames: dict[str, Frame] = {}
        for screen in tuple(self._screens):
            if screen.reader == hidden.author_id:
                continue
            frame = frames.get(screen.topic)
            if frame is None:
                gone = Retract(hidden.ids)
                frame = frames[screen.topic] = self._endpoint.frame(screen.topic, "retract", gone)
            screen.push_frame(frame)

    async def close(self) -> None:
        """Stop reading ahead, and write what waits."""
        await self.counters.close()
        await self.pool.close()
        await self.foryou.close()
        await self.related.close()
        await self.impressions.close()

    async def _read_counts(self, ids: Collection[UUID]) -> Iterable[ItemCounts]:
        async with self._services.database.read() as db:
            return with_ids(await engagement.counts(db, ids))


@contextlib.asynccontextmanager
async def running(services: Services, endpoint: Endpoint) -> AsyncIterator[FeedNode]:
    """Serve feeds from this process while the block runs."""
    node = FeedNode(services, endpoint, asyncio.get_running_loop())
    timelines, live = Timelines(services), Live(services)
    services.parts[FeedNode] = node
    services.parts[Timelines], services.parts[Live] = timelines, live
    node.impressions.start()
    detach = [
        endpoint.subscribe(POOL_TOPIC, node.on_pool),
        endpoint.subscribe(COUNTERS_TOPIC, node.on_counters),
        endpoint.subscribe(LIVE_TOPIC, lambda each: live.heard(each.decode(Appeared))),
        endpoint.on_gap(node.on_gap),
    ]
    try:
        yield node
    finally:
        for stop in detach:
            stop()
        await node.close()
        await live.close()
        await timelines.close()
        del services.parts[FeedNode], services.parts[Timelines], services.parts[Live]
