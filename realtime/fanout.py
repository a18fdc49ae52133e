"""From one broadcast to its subscribers on this node.

A broadcast is encoded once for each serializer. Those of one loop tick are joined, and every
socket is written to once at the end of the tick. What a socket is sent keeps its order: an
answer never overtakes a broadcast that came before it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import TypeAlias

from realtime.frame import Frame, Wire
from realtime.guard import Raised, guarded_call
from realtime.message import Broadcast
from realtime.room import Listener, Room, Run, Sending, Watcher
from realtime.tally import EVERY_S
from realtime.telemetry import ChannelCrashed, Flushed, Telemetry
from realtime.writer import FramedWriter, Writer, batch

_Owed: TypeAlias = dict[Writer, None]  # who is to be flushed


class Fanout:
    """The topics of one node and who listens to each."""

    def __init__(self, telemetry: Telemetry, *, slice_sockets: int) -> None:
        self._telemetry = telemetry
        self._slice = slice_sockets
        self._rooms: dict[str, Room] = {}
        self.runs: list[Run] = []
        self._run_topics: set[str] = set()
        self.jobs: deque[Sending | _Owed] = deque()  # what a flush does, in this order
        self.coalesces = True  # the broadcasts of a tick to one topic are one write
        self._scheduled = False
        self._last_member = 0
        self._since: float | None = None  # of the broadcasts that no flush has taken yet
        self._published = 0.0  # when the first of them was, by a publisher's wall clock
        self._broadcasts = self._deliveries = 0  # not told of yet, as these two
        self._longest = self._oldest_s = 0.0
        self._teller: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._rooms)

    def new_member(self) -> int:
        """Return a number that no other subscriber of this node has."""
        self._last_member += 1
        return self._last_member

    def enter(self, topic: str, member: int, writer: Writer) -> None:
        """Let broadcasts on `topic` go straight to `writer`."""
        self._spill()
        self._room(topic).put(member, writer)
        writer.topics[topic] = member

    def reroute(self, writer: Writer) -> None:
        """Take notice that a client has stopped reading, or reads again."""
        for topic, member in writer.topics.items():
            if (room := self._rooms.get(topic)) is not None:
                room.take(member, writer)
                room.put(member, writer)

    def watch(self, topic: str, member: int, watcher: Watcher) -> None:
        """Hand broadcasts on `topic` to `watcher`, one by one and at once."""
        self._room(topic).watchers[member] = watcher

    def listen(self, topic: str, listener: Listener) -> Callable[[], None]:
        """Hand broadcasts on `topic` to a listener that is no client."""
        member = self.new_member()
        self._room(topic).listeners[member] = listener

        def stop() -> None:
            if (room := self._rooms.get(topic)) is not None:
                room.listeners.pop(member, None)
                self._tidy(topic, room)

        return stop

    def part(self, topic: str, member: int, writer: Writer | None = None) -> None:
        """Forget a member, once it has been sent what was broadcast before."""
        room = self._rooms.get(topic)
        if room is None:
            return
        room.watchers.pop(member, None)
        if writer is not None and writer.topics.get(topic) == member:
            self._spill()
            self._catch_up(writer)
            room.take(member, writer)
            del writer.topics[topic]
        self._tidy(topic, room)

    def deliver(self, frame: Frame, exclude: int = 0) -> None:
        """Send a broadcast to everyone on its topic but the member `exclude`."""
        room = self._rooms.get(frame.topic)
        if room is None:
            return
        if room.has_writers():
            self._queue(room, frame, exclude)
        if room.watchers:
            for member, watcher in tuple(room.watchers.items()):
                if member != exclude:
                    watcher(frame)
        if room.listeners:
            self._tell_listeners(room, Broadcast(frame.topic, frame.event, frame.payload))

    def own(self, writer: Writer, wire: Wire) -> None:
        """Send to one client, after whatever was broadcast to it before."""
        if self.runs or self.jobs:
            self._put_before(writer)
        writer.out.append(wire.framed if writer.framed else wire)
        self._owe(writer)

    def answer(self, writer: FramedWriter, frame: bytes) -> None:
        """Send one client its answer: at once, behind what came before it."""
        if self.runs or self.jobs:
            self._put_before(writer)
            writer.flush()
        if not writer.write_now(frame):
            writer.out.append(frame)
            self._owe(writer)

    def flush(self, writer: Writer) -> None:
        """Hand over at once what waits for one client."""
        self._spill()
        self._catch_up(writer)
        writer.flush()

    def forget(self, writer: Writer) -> None:
        """Let go of what waits for a client that is gone."""
        writer.out.clear()
        for job in self.jobs:
            if isinstance(job, dict):
                job.pop(writer, None)

    def _tell_listeners(self, room: Room, broadcast: Broadcast) -> None:
        for listener in tuple(room.listeners.values()):
            result = guarded_call(listener, broadcast)
            if isinstance(result, Raised):
                event = ChannelCrashed(broadcast.topic, "listener", result.error)
                self._telemetry.emit(event)

    def _room(self, topic: str) -> Room:
        room = self._rooms.get(topic)
        if room is None:
            room = self._rooms[topic] = Room()
        return room

    def _tidy(self, topic: str, room: Room) -> None:
        if room.is_empty() and self._rooms.get(topic) is room:
            del self._rooms[topic]

    def _queue(self, room: Room, frame: Frame, exclude: int) -> None:
        last = self.runs[-1] if self.runs else None
        if last is not None and last.room is room and last.exclude == exclude and self.coalesces:
            last.frames.append(frame)
        else:
            self.runs.append(Run(frame.topic, room, exclude, frame))
            self._run_topics.add(frame.topic)
        if self._since is None:
            self._since = asyncio.get_running_loop().time()
            self._published = frame.at
        self._broadcasts += 1
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _owe(self, writer: Writer) -> None:
        """See that a writer is flushed, behind what is to be done already."""
        last = self.jobs[-1] if self.jobs else None
        if isinstance(last, dict):
            last[writer] = None
        else:
            self.jobs.append({writer: None})
        self._schedule()

    def _put_before(self, writer: Writer) -> None:
        """Let what was broadcast to a client wait in its writer, to be followed by its own."""
        if self.runs and not self._run_topics.isdisjoint(writer.topics):
            self._spill()
        self._catch_up(writer)

    def _catch_up(self, writer: Writer) -> None:
        for job in tuple(self.jobs):
            if isinstance(job, Sending):
                member = writer.topics.get(job.topic)
                if member is not None and job.pending.pop(member, None) is not None:
                    writer.out.append(job.data)
                    self._owe(writer)

    def _spill(self) -> None:
        """Put what was broadcast in this tick behind what each socket is already waiting for."""
        runs, self.runs = self.runs, []
        self._run_topics.clear()
        for run in runs:
            for serializer, direct in run.room.direct.items():
                wires = [wire for frame in run.frames if (wire := frame.wire(serializer))]
                pending = direct.copy()
                if run.exclude:
                    pending.pop(run.exclude, None)
                if pending and wires:
                    (data,) = batch(wires, framed=True)
                    self.jobs.append(Sending(run.topic, data, pending))
                    self._deliveries += len(wires) * len(pending)
            if run.room.lanes:
                self._collect(run)

    def _collect(self, run: Run) -> None:
        """Put broadcasts into the writers of those that cannot be written to directly."""
        for (serializer, framed), lane in run.room.lanes.items():
            wires = [wire for frame in run.frames if (wire := frame.wire(serializer))]
            if pieces := batch(wires, framed=framed):
                for member, writer in lane.items():
                    if member != run.exclude:
                        writer.out += pieces
                        self._owe(writer)
                self._deliveries += len(wires) * (len(lane) - (run.exclude in lane))

    def _flush(self) -> None:
        jobs, left = self.jobs, self._slice
        while left > 0 and (jobs or self.runs):
            if not jobs:  # what comes while a large one is under way is joined behind it
                self._spill()
                continue
            job = jobs[0]
            left -= job.go_on(left) if isinstance(job, Sending) else _flush_some(job, left)
            if not job:
                jobs.popleft()
        if jobs or self.runs:  # the loop breathes between slices
            asyncio.get_running_loop().call_soon(self._flush)
        else:
            self._scheduled = False
        if self._since is not None and not self.runs:
            self._note(self._since)

    def _note(self, since: float) -> None:
        """Remember how long a flush took; tell of it, or of several together a little later."""
        now = asyncio.get_running_loop().time()
        self._since = None
        self._longest = max(self._longest, now - since)
        age = time.time() - self._published if self._published else now - since
        self._oldest_s = max(self._oldest_s, age)
        if self._teller is None:
            self._teller = asyncio.get_running_loop().call_later(EVERY_S, self.tell)

    def tell(self) -> None:
        """Tell of what was broadcast since it was last told of."""
        if self._teller is not None:
            self._teller.cancel()
            self._teller = None
        if self._broadcasts:
            event = Flushed(self._broadcasts, self._deliveries, self._longest, self._oldest_s)
            self._broadcasts = self._deliveries = 0
            self._longest = self._oldest_s = 0.0
            self._telemetry.emit(event)


def _flush_some(owed: _Owed, most: int) -> int:
    writers = tuple(islice(owed, most))
    for writer in writers:
        owed.pop(writer, None)  # which a writer before it may have done
        writer.flush()
    return len(writers)
