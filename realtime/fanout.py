"""From one broadcast to its subscribers on this node.

A broadcast is encoded once for each serializer. Those of one loop tick are joined, and every
socket is written to once at the end of the tick. What a socket is sent keeps its order: an
answer never overtakes a broadcast that came before it.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from itertools import islice

from realtime.frame import Frame, Wire
from realtime.guard import Raised, guarded_call
from realtime.message import Broadcast
from realtime.serializer import Serializer
from realtime.telemetry import ChannelCrashed, Flushed, Telemetry
from realtime.writer import FramedWriter, Writer, batch

Listener = Callable[[Broadcast], None]
Watcher = Callable[[Frame], None]


class _Room:
    """Everyone on one topic."""

    __slots__ = ("lanes", "listeners", "watchers")

    def __init__(self) -> None:
        self.lanes: dict[tuple[Serializer, bool], dict[int, Writer]] = {}
        self.watchers: dict[int, Watcher] = {}
        self.listeners: dict[int, Listener] = {}

    def empty(self) -> bool:
        return not (self.watchers or self.listeners or any(self.lanes.values()))


class _Run:
    """Broadcasts that follow each other on one topic within a tick."""

    __slots__ = ("exclude", "frames", "room", "topic")

    def __init__(self, topic: str, room: _Room, exclude: int, frame: Frame) -> None:
        self.topic = topic
        self.room = room
        self.exclude = exclude
        self.frames = [frame]


class Fanout:
    """The topics of one node and who listens to each."""

    def __init__(self, telemetry: Telemetry, *, slice_sockets: int) -> None:
        self._telemetry = telemetry
        self._slice = slice_sockets
        self._rooms: dict[str, _Room] = {}
        self._runs: list[_Run] = []
        self._run_topics: set[str] = set()
        self._dirty: dict[Writer, None] = {}
        self._scheduled = False
        self._last_member = 0
        self._since = 0.0
        self._oldest = 0.0
        self._broadcasts = 0
        self._deliveries = 0

    def __len__(self) -> int:
        return len(self._rooms)

    def new_member(self) -> int:
        """Return a number that no other subscriber of this node has."""
        self._last_member += 1
        return self._last_member

    def enter(self, topic: str, member: int, writer: Writer) -> None:
        """Let broadcasts on `topic` go straight to `writer`."""
        self._spill()
        lanes = self._room(topic).lanes
        lanes.setdefault((writer.serializer, writer.framed), {})[member] = writer
        writer.topics.add(topic)

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
        if writer is not None and (lane := room.lanes.get((writer.serializer, writer.framed))):
            self._spill()
            if lane.pop(member, None) is not None:
                writer.topics.discard(topic)
        self._tidy(topic, room)

    def deliver(self, frame: Frame, exclude: int = 0) -> None:
        """Send a broadcast to everyone on its topic but the member `exclude`."""
        room = self._rooms.get(frame.topic)
        if room is None:
            return
        if room.lanes:
            self._queue(room, frame, exclude)
        if room.watchers:
            for member, watcher in tuple(room.watchers.items()):
                if member != exclude:
                    watcher(frame)
        if room.listeners:
            self._tell_listeners(room, Broadcast(frame.topic, frame.event, frame.payload))

    def own(self, writer: Writer, wire: Wire) -> None:
        """Send to one client, after whatever was broadcast to it before."""
        if self._runs and not self._run_topics.isdisjoint(writer.topics):
            self._spill()
        writer.out.append(wire.framed if writer.framed else wire)
        self._dirty[writer] = None
        self._schedule()

    def answer(self, writer: FramedWriter, frame: bytes) -> None:
        """Send one client its answer: at once, unless something came before it and waits."""
        if self._runs and not self._run_topics.isdisjoint(writer.topics):
            self._spill()
        if not writer.write_now(frame):
            writer.out.append(frame)
            self._dirty[writer] = None
            self._schedule()

    def flush(self, writer: Writer) -> None:
        """Hand over at once what waits for one client."""
        self._spill()
        writer.flush()
        self._dirty.pop(writer, None)

    def forget(self, writer: Writer) -> None:
        """Let go of what waits for a client that is gone."""
        self._dirty.pop(writer, None)
        writer.out.clear()

    def _tell_listeners(self, room: _Room, broadcast: Broadcast) -> None:
        for listener in tuple(room.listeners.values()):
            result = guarded_call(listener, broadcast)
            if isinstance(result, Raised):
                event = ChannelCrashed(broadcast.topic, "listener", result.error)
                self._telemetry.emit(event)

    def _room(self, topic: str) -> _Room:
        room = self._rooms.get(topic)
        if room is None:
            room = self._rooms[topic] = _Room()
        return room

    def _tidy(self, topic: str, room: _Room) -> None:
        if room.empty() and self._rooms.get(topic) is room:
            del self._rooms[topic]

    def _queue(self, room: _Room, frame: Frame, exclude: int) -> None:
        last = self._runs[-1] if self._runs else None
        if last is not None and last.room is room and last.exclude == exclude:
            last.frames.append(frame)
        else:
            self._runs.append(_Run(frame.topic, room, exclude, frame))
            self._run_topics.add(frame.topic)
        if not self._broadcasts:
            self._since = asyncio.get_running_loop().time()
            self._oldest = frame.at
        self._broadcasts += 1
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _spill(self) -> None:
        """Put what was broadcast in this tick behind what each socket is already waiting for."""
        runs, self._runs = self._runs, []
        self._run_topics.clear()
        dirty = self._dirty
        for run in runs:
            for (serializer, framed), lane in run.room.lanes.items():
                wires = [wire for frame in run.frames if (wire := frame.wire(serializer))]
                pieces = batch(wires, framed=framed)
                if not pieces:
                    continue
                for member, writer in lane.items():
                    if member != run.exclude:
                        writer.out += pieces
                        dirty[writer] = None
                self._deliveries += len(wires) * (len(lane) - (run.exclude in lane))

    def _flush(self) -> None:
        if self._runs:
            self._spill()
        dirty = self._dirty
        if len(dirty) <= self._slice:
            self._dirty = {}
            self._scheduled = False
            for writer in dirty:
                writer.flush()
        else:
            # The loop breathes between slices; what comes meanwhile queues up behind.
            for writer in list(_first(dirty, self._slice)):
                del dirty[writer]
                writer.flush()
            asyncio.get_running_loop().call_soon(self._flush)
        if self._broadcasts:
            self._tell()

    def _tell(self) -> None:
        seconds = asyncio.get_running_loop().time() - self._since
        oldest_s = max(0.0, time.time() - self._oldest) if self._oldest else seconds
        event = Flushed(self._broadcasts, self._deliveries, seconds, oldest_s)
        self._broadcasts = self._deliveries = 0
        self._telemetry.emit(event)


def _first(dirty: dict[Writer, None], count: int) -> Iterator[Writer]:
    return islice(dirty, count)
