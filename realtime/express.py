"""A connection in the lane: what comes most, heartbeats and plain handlers, goes a shorter way.

It is the way of `Connection` with fewer steps and nothing made on it that is thrown away again.
Whatever is not of the most usual kind takes the longer way, which also knows what is wrong with it.
"""

# mypy: disable-error-code="explicit-override"
# typing.override is newer than Python 3.11, and nothing else here needs typing_extensions.

from typing import Any, Final

import msgspec
from msgspec import Raw

from realtime.connection import Connection
from realtime.message import Message, Ref
from realtime.node import Node
from realtime.runner import Runner
from realtime.serializer import V2_SERIALIZER, reply_frame
from realtime.socket import Socket
from realtime.way import late
from realtime.writer import FramedWriter

_read: Final = msgspec.json.Decoder(tuple[Any, Any, str, str, Raw]).decode
_read_any: Final = msgspec.json.Decoder(Any).decode
_MOST: Final = 4_096  # characters of a message; longer ones are not about speed
_UNIT_BITS: Final = 6  # bytes are counted by 64, so that the counts are among the small integers
_ROOM: Final = 192  # units, three times the longest message
_CREDIT: Final = 16
_NOT_FOR_CHANNELS: Final = frozenset({"phx_join", "phx_leave"})


class ExpressConnection(Connection):
    """One client of version 2, whose frames are written to its transport as they are.

    A thousand clients that speak in turn push each other out of the processor's caches, and then
    every object that a message touches costs more than what is done with it. So what the short
    way needs is kept here, in few places, and not where it belongs.
    """

    __slots__ = ("_alive", "_credit", "_halted", "_lane", "_raw", "_room", "_runner", "_write")

    def __init__(self, node: Node, socket: Socket, writer: FramedWriter) -> None:
        super().__init__(node, socket, writer)
        self._alive = False  # has said something since the last check
        self._credit = self._room = 0  # messages, and units of bytes, that are counted already
        self._halted = False  # reads nothing just now, or is gone
        self._lane = writer
        self._write = writer.direct
        self._raw = node.raw_events
        self._runner: Runner | None = None  # the one that was spoken to last

    def received(self, data: str | bytes) -> None:  # noqa: C901, PLR0912 - being quick
        """Take one message of the client."""
        if type(data) is not str or len(data) > _MOST:
            super().received(data)
            return
        try:
            join_ref, ref, topic, event, raw = _read(data)
            payload: Any = raw
            beats = event == "heartbeat" and topic == "phoenix"
            if not beats and event not in self._raw:
                payload = _read_any(raw)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            super().received(data)
            return
        self._alive = True
        units = (len(data) >> _UNIT_BITS) + 1
        runner = None
        if not beats:
            runner = self._runner
            if runner is None or runner.topic != topic:
                runner = self._runner = self._plain.get(topic)
            if (
                runner is None
                or join_ref != runner.client_ref
                or type(join_ref) is not str
                or event in _NOT_FOR_CHANNELS
            ):
                self._take_slowly(Message(join_ref, ref, topic, event, payload), len(data))
                return
        if self._room >= units and (beats or self._credit):
            self._room -= units
            if not beats:
                self._credit -= 1
        elif not self._lend(units, pushes=not beats):
            self._take_slowly(Message(join_ref, ref, topic, event, payload), len(data))
            return
        if runner is None:
            self.reply(None, ref, "phoenix", "ok", {})
        else:
            runner.handle(ref, event, payload)

    def reply(self, join_ref: Ref, ref: Ref, topic: str, status: str, response: Any) -> None:
        """Encode and send, behind what was sent before."""
        frame = reply_frame(join_ref, ref, topic, status, response)
        fanout = self.fanout
        if fanout.jobs or fanout.runs or self._halted or len(frame) > _MOST:
            fanout.answer(self._lane, frame)  # behind what waits, and within the bounds
            return
        try:
            taken = self._write(frame)
        except OSError:
            taken = 0
        if taken != len(frame):
            late(self._write, frame, taken)

    def paused(self, *, is_paused: bool) -> None:
        """Take notice that the client has stopped reading, or reads again."""
        self._halted = is_paused
        super().paused(is_paused=is_paused)

    def closed(self, code: int, reason: str = "") -> None:
        """Take notice that the client is gone, however it went."""
        self._halted = True
        super().closed(code, reason)

    def check(self, now: float) -> None:
        """Close if the client has gone silent, stopped reading, or may not be here any more."""
        if self._alive:
            self._alive = False
            self._heard = now
        super().check(now)

    def _take_slowly(self, message: Message, size: int) -> None:
        self._heard = self._now()
        self._take(message, size)

    def _lend(self, units: int, *, pushes: bool) -> bool:
        """Pay for a message, and in advance for more like it; not where that is near a limit."""
        if self._meter is None:
            self._room, self._credit = _ROOM, _CREDIT
            return True
        now = self._now()
        if self._room < units:
            if not self._meter.lot("bytes", _ROOM << _UNIT_BITS, now):
                return False
            self._room += _ROOM
        if pushes and not self._credit:
            if not self._meter.lot("pushes", _CREDIT, now):
                return False
            self._credit = _CREDIT
        self._room -= units
        self._credit -= pushes
        return True

    def _detour(self, runner: Runner) -> None:
        self._runner = None
        super()._detour(runner)


def connection_of(node: Node, socket: Socket, writer: FramedWriter) -> Connection:
    """Return the connection of a client in the lane."""
    if writer.serializer is V2_SERIALIZER:
        return ExpressConnection(node, socket, writer)
    return Connection(node, socket, writer)
