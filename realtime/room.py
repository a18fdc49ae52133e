"""Who listens to one topic on this node, and a broadcast that is on its way to them."""

from collections.abc import Callable
from itertools import islice
from typing import TypeAlias

from realtime.frame import Frame
from realtime.message import Broadcast
from realtime.serializer import Serializer
from realtime.way import Write, write_each
from realtime.writer import Writer

Listener: TypeAlias = Callable[[Broadcast], None]
Watcher: TypeAlias = Callable[[Frame], None]


class Room:
    """Everyone on one topic.

    A member is either in `direct`, where there is nothing between a broadcast and its transport,
    or in `lanes`, where a writer collects what waits.
    """

    __slots__ = ("direct", "lanes", "listeners", "watchers")

    def __init__(self) -> None:
        self.direct: dict[Serializer, dict[int, Write]] = {}
        self.lanes: dict[tuple[Serializer, bool], dict[int, Writer]] = {}
        self.watchers: dict[int, Watcher] = {}
        self.listeners: dict[int, Listener] = {}

    def has_writers(self) -> bool:
        """Say whether any client hears broadcasts without a detour."""
        return bool(self.direct or self.lanes)

    def is_empty(self) -> bool:
        """Say whether nobody listens."""
        return not (
            self.watchers or self.listeners or any(self.lanes.values()) or any(self.direct.values())
        )

    def put(self, member: int, writer: Writer) -> None:
        """Take a client in, or to its other place."""
        if writer.direct is not None and writer.stalled is None:
            self.direct.setdefault(writer.serializer, {})[member] = writer.direct
        else:
            self.lanes.setdefault((writer.serializer, writer.framed), {})[member] = writer

    def take(self, member: int, writer: Writer) -> None:
        """Let a client go, wherever it is."""
        for places in (
            self.direct.get(writer.serializer),
            self.lanes.get((writer.serializer, writer.framed)),
        ):
            if places is not None:
                places.pop(member, None)


class Run:
    """Broadcasts that follow each other on one topic within a tick."""

    __slots__ = ("exclude", "frames", "room", "topic")

    def __init__(self, topic: str, room: Room, exclude: int, frame: Frame) -> None:
        self.topic = topic
        self.room = room
        self.exclude = exclude
        self.frames = [frame]


class Sending:
    """Bytes on their way to the members that have not been written to yet."""

    __slots__ = ("data", "pending", "topic")

    def __init__(self, topic: str, data: bytes, pending: dict[int, Write]) -> None:
        self.topic = topic
        self.data = data
        self.pending = pending

    def __bool__(self) -> bool:
        return bool(self.pending)

    def go_on(self, most: int) -> int:
        """Write to so many members at most; return to how many."""
        pending, data = self.pending, self.data
        if len(pending) <= most:
            self.pending = {}
            write_each(pending.values(), data)
            return len(pending)
        members = tuple(islice(pending, most))
        writes = [pending.pop(member) for member in members]
        write_each(writes, data)
        return most
