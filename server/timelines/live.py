"""Tells open Following feeds of this node what came for them.

A post is told to nodes once, however many follow its author; each asks which of its own readers
are meant, for all posts of a moment together. So a celebrity's post costs a node one question.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from prometheus_client import Counter, Gauge
from sqlalchemy.exc import SQLAlchemyError

from server.kernel.logs import log
from server.kernel.services import Services
from server.timelines import store
from server.timelines.events import Appeared
from server.timelines.model import Entry, Key

# Told between nodes; no client can join it.
TOPIC = "timelines"
EVENT = "appeared"
REST_SECONDS = 0.05
# More than that at once is not told piece by piece: nothing is lost by it, a reader who looks finds
# everything.
MOST_WAITING = 1_000
READERS_AT_ONCE = 2_000

_log = log("timelines")
open_feeds = Gauge("timeline_feeds_open", "Following feeds that are open on this node.")
told = Counter("timeline_fresh_total", "Times that an open feed was told of something new.")
untold = Counter("timeline_fresh_dropped_total", "New entries that were not told: too many.")


class Screen(Protocol):
    """An open Following feed."""

    def came(self, ids: Sequence[UUID]) -> None:
        """Hear that items came."""
        ...


class Live:
    """The open Following feeds of a node, and what is about to be told to them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._screens: dict[UUID, set[Screen]] = {}
        self._waiting: list[Entry] = []
        self._task: asyncio.Task[None] | None = None

    def open(self, reader: UUID, screen: Screen) -> None:
        """Tell a screen from now on."""
        self._screens.setdefault(reader, set()).add(screen)
        open_feeds.inc()

    def leave(self, reader: UUID, screen: Screen) -> None:
        """Tell a screen no more."""
        screens = self._screens.get(reader, set())
        if screen in screens:
            screens.discard(screen)
            open_feeds.dec()
        if not screens:
            self._screens.pop(reader, None)

    def heard(self, event: Appeared) -> None:
        """Hear what somebody brought; it is told soon, together with what else comes meanwhile."""
        if event.gone or not self._screens:
            return
        if len(self._waiting) >= MOST_WAITING:
            untold.inc()
            return
        self._waiting.append(
            Entry(Key(event.at, event.item_id, event.actor_id), repost=event.repost)
        )
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._tell_soon())

    async def close(self) -> None:
        """Tell nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _tell_soon(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(REST_SECONDS)
                entries, self._waiting = self._waiting, []
                try:
                    await self._tell(entries)
                except (OSError, SQLAlchemyError) as error:
                    # Whoever looks finds it; this was only to save them the looking.
                    _log.warning("timeline_not_told", error=type(error).__name__)
        finally:
            self._task = None

    async def _tell(self, entries: Sequence[Entry]) -> None:
        by_actor: dict[UUID, list[Entry]] = {}
        for entry in entries:
            by_actor.setdefault(entry.actor_id, []).append(entry)
        everybody = list(self._screens)
        for start in range(0, len(everybody), READERS_AT_ONCE):
            readers = everybody[start : start + READERS_AT_ONCE]
            async with self._services.database.read() as db:
                pairs = await store.listeners(db, by_actor.keys(), readers)
                pairs += [(reader, reader) for reader in readers if reader in by_actor]
                wanted = [(reader, entry) for reader, who in pairs for entry in by_actor[who]]
                kept = await store.keep(db, wanted)
            self._push([pair for pair in wanted if pair in kept])

    def _push(self, fresh: Sequence[tuple[UUID, Entry]]) -> None:
        ids: dict[UUID, list[UUID]] = {}
        for reader, entry in fresh:
            ids.setdefault(reader, []).append(entry.item_id)
        for reader, came in ids.items():
            for screen in tuple(self._screens.get(reader, ())):
                screen.came(came)
                told.inc()
