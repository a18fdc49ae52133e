"""What the screens of this node share that have the same items open.

Counters, poll votes, who is writing and how many are here come from all nodes to each, once, and
go from here to the screens that show the item.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterable
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType
from sqlalchemy.exc import SQLAlchemyError
from typing_extensions import override

from realtime import Broadcast, Channel, Endpoint, Frame, Presence, Refused
from server import engagement
from server.comments.model import HIDDEN_TOPIC, HiddenOf
from server.comments.typing import TOLD_SECONDS, Paced, Timer, Typing, Writer, Writing
from server.engagement import (
    COUNTERS_EVENT,
    COUNTERS_TOPIC,
    POLLS_TOPIC,
    VOTED_EVENT,
    ItemCounts,
    Votes,
)
from server.kernel.logs import log
from server.kernel.services import Services
from server.posts import BALLOT_EVENT

# Told between nodes; no client can join them.
TYPING_TOPIC = "typing"
_PRESENT = "present:"

_log = log("items")


class CountersPush(Struct, frozen=True):
    """Counters that moved."""

    items: list[ItemCounts]


class RetractPush(Struct, frozen=True):
    """Items that are gone."""

    ids: list[UUID]


class PollPush(Struct, frozen=True):
    """A poll's votes moved; those of each option are there for who has voted, or at its end."""

    id: UUID
    total: int
    version: int
    votes: list[int] | UnsetType = UNSET


class PresentPush(Struct, frozen=True):
    """How many have the item open; a person with two screens counts once."""

    count: int


class Polls(Struct, frozen=True):
    """Polls whose votes moved, as nodes hear of them."""

    polls: list[Votes]


class Ballot(Struct, frozen=True):
    """Somebody voted, as nodes hear of it."""

    poll_id: UUID
    user_id: UUID


class Heard(Struct, frozen=True):
    """Somebody writes, or has stopped, as nodes hear of it."""

    item_id: UUID
    who: Writer
    on: bool = True


class Screen(Protocol):
    """A channel that shows an item."""

    # Of its poll: how many options, until when, and whether the reader has voted.
    options: int
    poll_ends_at: datetime | None
    voted: bool

    @property
    def reader(self) -> UUID | None:
        """Who looks at it."""
        ...

    def push_frame(self, frame: Frame) -> None:
        """Send the frame."""
        ...


class Attendance(Presence):
    """Who has which item open, on all nodes; only their number is told."""

    def __init__(self, endpoint: Endpoint, timer: Timer) -> None:
        super().__init__(endpoint, name="items")
        self._hub = endpoint
        self._told = Paced(timer, TOLD_SECONDS, self._tell_count)

    def enter(self, channel: Channel, item_id: UUID, key: object) -> None:
        """Count a screen until it closes; one that comes and goes too fast is not counted."""
        with contextlib.suppress(Refused):
            self.track(channel, key, topic=f"{_PRESENT}{item_id}")

    @override
    async def handle_metas(self, topic: str, joins: Any, leaves: Any, presences: Any) -> None:
        item_id = UUID(topic.removeprefix(_PRESENT))
        self._told.note(item_id, len(presences))

    def _tell_count(self, item_id: UUID, count: int) -> None:
        self._hub.local_broadcast(f"item:{item_id}", "presence", PresentPush(count))


class Room:
    """The items that are open on this node, and the one ear that listens for all of them."""

    def __init__(self, services: Services, endpoint: Endpoint, timer: Timer) -> None:
        self._services = services
        self._hub = endpoint
        self._screens: dict[UUID, dict[Screen, None]] = {}
        self._reading: set[asyncio.Task[None]] = set()
        self._rereading: asyncio.Task[None] | None = None
        self.typing = Typing(timer, self._tell_writing)
        self.attendance = Attendance(endpoint, timer)

    def open(self, item_id: UUID, screen: Screen) -> None:
        """Tell a screen what moves of an item from now on."""
        self._screens.setdefault(item_id, {})[screen] = None

    def close(self, item_id: UUID, screen: Screen) -> None:
        """One screen fewer shows the item."""
        screens = self._screens.get(item_id, {})
        screens.pop(screen, None)
        if not screens:
            self._screens.pop(item_id, None)
            self.typing.forget(item_id)

    def on_counters(self, broadcast: Broadcast) -> None:
        """Hear which counters moved."""
        if broadcast.event == COUNTERS_EVENT:
            self._tell_counters(broadcast.decode(CountersPush).items)
        else:
            self.on_missed()

    def on_polls(self, broadcast: Broadcast) -> None:
        """Hear which polls moved, and who may see their votes from now on."""
        if broadcast.event == VOTED_EVENT:
            self._tell_votes(broadcast.decode(Polls).polls)
        elif broadcast.event == BALLOT_EVENT:
            ballot = broadcast.decode(Ballot)
            mine = [
                screen
                for screen in self._screens.get(ballot.poll_id, {})
                if screen.reader == ballot.user_id and not screen.voted
            ]
            for screen in mine:
                screen.voted = True
            if mine:
                self._read(self._read_votes([ballot.poll_id]))

    def on_typing(self, broadcast: Broadcast) -> None:
        """Hear who writes under an item."""
        heard = broadcast.decode(Heard)
        if heard.item_id in self._screens:
            self.typing.hear(heard.item_id, heard.who, on=heard.on)

    def on_missed(self) -> None:
        """Take it that anything may have moved unheard: read what is open."""
        if self._rereading is None or self._rereading.done():
            self._rereading = self._read(self._read_all())

    def on_hidden(self, broadcast: Broadcast) -> None:
        """Hear that somebody is hidden: their things leave all screens but their own."""
        told = broadcast.decode(HiddenOf)
        for each in told.items:
            others = [
                screen
                for screen in self._screens.get(each.on, {})
                if screen.reader != told.author_id
            ]
            if others:
                gone = RetractPush([each.id])
                frame = self._hub.frame(f"item:{each.on}", "retract", gone)
                for screen in others:
                    screen.push_frame(frame)

    async def end(self) -> None:
        """Stop reading."""
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)

    def _tell_counters(self, moved: Iterable[ItemCounts]) -> None:
        for counts in moved:
            if counts.id in self._screens:
                push = CountersPush([counts])
                self._hub.local_broadcast(f"item:{counts.id}", "counters", push)

    def _tell_votes(self, moved: Iterable[Votes]) -> None:
        now = self._services.clock.now()
        for votes in moved:
            screens = self._screens.get(votes.id)
            if not screens:
                continue
            # Two frames, however many screens there are.
            counted = list(votes.votes[: max(screen.options for screen in screens)])
            blind = PollPush(votes.id, sum(votes.votes), votes.version)
            told = PollPush(votes.id, sum(votes.votes), votes.version, counted)
            frames = [self._hub.frame(f"item:{votes.id}", "poll", push) for push in (blind, told)]
            for screen in screens:
                ended = screen.poll_ends_at is not None and screen.poll_ends_at <= now
                screen.push_frame(frames[screen.voted or ended])

    def _tell_writing(self, item_id: UUID, writing: Writing) -> None:
        self._hub.local_broadcast(f"item:{item_id}", "typing", writing)

    def _read(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)
        return task

    async def _read_all(self) -> None:
        # When the database is away too, the next change brings screens up to date.
        try:
            async with self._services.database.read() as db:
                self._tell_counters(await engagement.item_counts(db, list(self._screens)))
        except (OSError, SQLAlchemyError) as error:
            _log.warning("counters_not_read", error=type(error).__name__)
            return
        await self._read_votes(list(self._screens))

    async def _read_votes(self, ids: list[UUID]) -> None:
        try:
            async with self._services.database.read() as db:
                self._tell_votes((await engagement.votes(db, ids)).values())
        except (OSError, SQLAlchemyError) as error:
            _log.warning("votes_not_read", error=type(error).__name__)


@contextlib.asynccontextmanager
async def running(services: Services, endpoint: Endpoint) -> AsyncIterator[Room]:
    """Serve the channels of items from this process while the block runs."""
    room = Room(services, endpoint, asyncio.get_running_loop())
    services.parts[Room] = room
    detach = [
        endpoint.subscribe(COUNTERS_TOPIC, room.on_counters),
        endpoint.subscribe(POLLS_TOPIC, room.on_polls),
        endpoint.subscribe(TYPING_TOPIC, room.on_typing),
        endpoint.subscribe(HIDDEN_TOPIC, room.on_hidden),
        endpoint.on_gap(room.on_missed),
    ]
    try:
        async with room.attendance:
            yield room
    finally:
        for stop in detach:
            stop()
        await room.end()
        del services.parts[Room]
