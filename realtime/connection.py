"""Carries out a session's commands for one client."""

import asyncio
import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, assert_never

from realtime.channel import Channel, Refused
from realtime.close import DISCONNECTED, FLOODING, IDLE, OVER_RATE, SLOW, TOO_BIG, Close
from realtime.frame import Wire
from realtime.guard import is_plain
from realtime.message import Message, Ref, Reply
from realtime.meter import Refusal
from realtime.node import Node
from realtime.runner import Runner
from realtime.serializer import V2_SERIALIZER, Malformed, decode_around
from realtime.session import Command, Deliver, End, Leave, Send, Session, Start
from realtime.socket import Socket
from realtime.telemetry import (
    MalformedReceived,
    RateLimited,
    SocketClosed,
    SocketOpened,
    WriterOverflowed,
)
from realtime.writer import Writer


class Connection:
    """One client, from the upgrade to the end, over any transport.

    A transport calls `received` for every message and `closed` once; everything else goes
    out through the writer that it made.
    """

    __slots__ = ("_began", "_decode", "_heard", "_id", "_malformed", "_meter", "_node", "_now",
                 "_plain", "_routes", "_runners", "_session", "fanout", "limits", "over", "socket",
                 "spawn", "tally", "telemetry", "writer")  # fmt: skip

    def __init__(self, node: Node, socket: Socket, writer: Writer) -> None:
        self.socket = socket
        self.writer = writer
        self.fanout = node.fanout
        self.limits = node.limits
        self.spawn = node.spawn
        self.telemetry = node.telemetry
        self.tally = node.tally
        self.over = False
        self._node = node
        self._routes = node.routes(socket.channels)
        is_v2 = writer.serializer is V2_SERIALIZER
        self._decode: Callable[[str | bytes], Message] = writer.serializer.decode
        if is_v2 and node.raw_events:
            self._decode = partial(decode_around, node.raw_events)
        self._session = Session(self._known, limit=node.limits.max_channels)
        self._runners: dict[int, Runner] = {}
        self._plain: dict[str, Runner] = {}  # those whose messages may be handled in place
        self._malformed = 0
        self._now = asyncio.get_running_loop().time
        self._began = self._heard = self._now()
        self._id = socket.id()
        self._meter = node.meters.of(socket.user(), socket.info.peer)
        node.add(self, self._id)

    def opened(self, *, seconds: float) -> None:
        """Tell that the client is in."""
        transport, vsn = self.socket.info.transport, self.writer.serializer.vsn
        self.telemetry.emit(SocketOpened(transport, vsn, seconds))

    def received(self, data: str | bytes) -> None:
        """Take one message of the client. A malformed one costs itself and nothing more."""
        if self.over:
            return
        self._heard = self._now()
        if len(data) > self.limits.max_frame_bytes:
            self.close(TOO_BIG)
            return
        try:
            message = self._decode(data)
        except Malformed as error:
            self._count_malformed(str(error))
            return
        self._take(message, len(data))

    def _take(self, message: Message, size: int) -> None:
        if self._meter is not None:
            refusal = self._meter.ask(message, size, self._heard)
            if refusal is not None and self._refuse(message, refusal):
                return
        key = self._session.addressee(message)
        if key:
            self._runners[key].receive(message)
        else:
            self._execute(self._session.receive(message))

    def closed(self, code: int, reason: str = "") -> None:
        """Take notice that the client is gone, however it went."""
        if self._stop():
            seconds = asyncio.get_running_loop().time() - self._began
            self.telemetry.emit(SocketClosed(code, reason, seconds))

    def close(self, close: Close) -> None:
        """Send the client away, after what is already waiting for it."""
        if self.over:
            return
        self.fanout.flush(self.writer)
        self.writer.close(close)
        self.closed(close.code, close.reason)

    def heard(self) -> None:
        """Take notice that the client is alive, though it said nothing to us."""
        self._heard = asyncio.get_running_loop().time()

    def drain(self) -> None:
        """Take notice that the server is about to stop."""
        self._node.begin_drain()

    def paused(self, *, is_paused: bool) -> None:
        """Take notice that the client has stopped reading, or reads again."""
        self.writer.stalled = asyncio.get_running_loop().time() if is_paused else None
        self.fanout.reroute(self.writer)

    def overflowed(self, waiting_bytes: int) -> None:
        """Take notice that the writer has given up on the client."""
        self.telemetry.emit(WriterOverflowed(waiting_bytes, "bytes"))
        self.closed(SLOW.code, SLOW.reason)

    def check(self, now: float) -> None:
        """Close if the client has gone silent, stopped reading, or may not be here any more."""
        stalled = self.writer.stalled
        if stalled is not None and now - stalled >= self.limits.writer_stall_s:
            self.telemetry.emit(WriterOverflowed(self.writer.waiting(), "stalled"))
            self.close(SLOW)
        elif now - self._heard >= self.limits.idle_timeout_s:
            self.close(IDLE)
        elif self.socket.is_over():
            self.close(DISCONNECTED)

    def channels(self) -> int:
        """Return how many channels the client has joined."""
        return len(self._session)

    def waiting(self) -> int:
        """Return how many bytes the client has not taken."""
        return self.writer.waiting()

    def topics(self) -> list[str]:
        """Return the topics that the client has joined, or is about to."""
        return self._session.topics()

    def age(self) -> float:
        """Return for how many seconds the client has been here."""
        return self._now() - self._began

    # What its channels ask of it (runner.Owner).

    def encode(self, message: Message | Reply) -> Wire:
        """Write for this client; raises what cannot be written."""
        return self.writer.serializer.encode(message)

    def send(self, message: Message | Reply) -> None:
        """Encode and queue."""
        self.fanout.own(self.writer, self.writer.serializer.encode(message))

    def reply(self, join_ref: Ref, ref: Ref, topic: str, status: str, response: Any) -> None:
        """Encode and send, behind what was sent before."""
        self.send(Reply(join_ref, ref, topic, status, response))

    def answered(self, key: int, status: Literal["ok", "error"], response: Any) -> None:
        """A join has its answer."""
        if status == "error":
            self._drop(key)
        elif (runner := self._runners[key]).plain:
            self._plain[runner.topic] = runner
        self._execute(self._session.answered(key, status, response))

    def left(self, key: int) -> None:
        """A channel has come to the end that its client asked for."""
        self._drop(key)
        self._execute(self._session.left(key))

    def ended(self, key: int, *, crashed: bool) -> None:
        """A channel is over by itself."""
        self._drop(key)
        self._execute(self._session.ended(key, crashed=crashed))

    def _drop(self, key: int) -> Runner | None:
        """Forget a channel; a newer one of its topic stays."""
        runner = self._runners.pop(key, None)
        if runner is not None:
            self._detour(runner)
        return runner

    def _detour(self, runner: Runner) -> None:
        """Let messages for a channel go the longer way from now on."""
        if self._plain.get(runner.topic) is runner:
            del self._plain[runner.topic]

    def _known(self, topic: str) -> bool:
        return self._routes.match(topic) is not None

    def _execute(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Deliver(key, message):
                    self._runners[key].receive(message)
                case Send(message):
                    self.send(message)
                case Start():
                    self._start(command)
                case Leave(key):
                    leaving = self._runners[key]
                    self._detour(leaving)
                    leaving.leave()
                case End(key, reason):
                    if (ending := self._drop(key)) is not None:
                        ending.end(reason)
                case _:
                    assert_never(command)

    def _start(self, start: Start) -> None:
        route = self._routes.match(start.join.topic)
        if route is None:
            return
        pattern, make_channel = route
        runner = Runner(self, start, pattern, self.fanout.new_member())
        self._runners[start.key] = runner
        make = partial(make_channel, self.socket, start.join.topic)
        at_once = (
            isinstance(make_channel, type)
            and issubclass(make_channel, Channel)
            and is_plain(make_channel.join)
        )
        runner.start(make, start.join, at_once=at_once)

    def _stop(self) -> bool:
        if self.over:
            return False
        self.over = True
        self._node.remove(self, self._id)
        if self._meter is not None:
            self._meter.release()
        runners, self._runners = self._runners, {}
        self._plain.clear()
        for runner in runners.values():
            runner.end("closed")
        self.fanout.forget(self.writer)
        return True

    def be_present(self, topic: str) -> None:
        """Count a change of presence; raises Refused where it is one too many."""
        refusal = None if self._meter is None else self._meter.be_present(self._now())
        if refusal is not None and not self.over:
            self._tell_refused(topic, refusal)
            raise Refused("rate_limited", retry_after_ms=_milliseconds(refusal))

    def _refuse(self, message: Message, refusal: Refusal) -> bool:
        """Tell a client that it asks for too much; say whether the message is not to be heard."""
        if refusal.binding and not refusal.closes and message.ref is not None:
            told = {"reason": "rate_limited", "retry_after_ms": _milliseconds(refusal)}
            self.send(Reply(message.join_ref, message.ref, message.topic, "error", told))
        self._tell_refused(message.topic, refusal)
        return refusal.closes or refusal.binding

    def _tell_refused(self, topic: str, refusal: Refusal) -> None:
        """Warn of the first of a row, and close at one too many."""
        outcome: Literal["refused", "closed"] = "closed" if refusal.closes else "refused"
        if refusal.closes or refusal.binding:
            self.telemetry.emit(RateLimited(refusal.scope, refusal.kind, outcome))
        if refusal.closes:
            self.close(OVER_RATE)
        elif refusal.binding and refusal.warns:
            warning = {"reason": "rate_limited", "retry_after_ms": _milliseconds(refusal)}
            about = {"scope": refusal.scope, "kind": refusal.kind}
            self.send(Message(None, None, topic, "rate_limited", {**warning, **about}))

    def _count_malformed(self, reason: str) -> None:
        self._malformed += 1
        self.telemetry.emit(MalformedReceived(reason))
        if self._malformed >= self.limits.max_malformed:
            self.close(FLOODING)


def _milliseconds(refusal: Refusal) -> int:
    return math.ceil(refusal.retry_after_s * 1000)
