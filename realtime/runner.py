"""Runs one channel: an ordered, bounded inbox, one message at a time.

There is a task only while there is something to do, so ten thousand quiet channels cost
objects and no tasks.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from time import perf_counter
from typing import Any, Final

import msgspec
from msgspec import Raw

from realtime.channel import Answer, Channel, Error, Ok, Refused, SocketRef, Stop
from realtime.done import DONE
from realtime.frame import Frame, Wire
from realtime.guard import Raised, guarded, guarded_call, guarded_three, is_plain, settled
from realtime.inbox import Info, Item, Leaving, Stopping
from realtime.joining import ABANDONED, JoinAnswer, ask, ask_now
from realtime.message import Broadcast, Message, Ref, Reply, pack
from realtime.owner import Owner
from realtime.session import Start
from realtime.spans import trace
from realtime.tally import Outcome
from realtime.telemetry import ChannelCrashed, InboxOverflowed, Joined

_IDLE: Final = object()


class Runner:
    """One channel while a client is joined to it."""

    __slots__ = (
        *("_counts", "_current", "_doing", "_ends", "_held", "_inbox", "_join_ref", "_key"),
        *("_open", "_owner", "_pattern", "_raw", "_reason", "_task", "_timer", "channel"),
        *("client_ref", "member", "plain", "topic"),
    )

    def __init__(self, owner: Owner, start: Start, pattern: str, member: int) -> None:
        self.channel: Channel  # made within the join, so that a broken one is a crashed join
        self.member = member
        self.client_ref = start.join.join_ref  # what the client's messages for it carry
        self.plain = False  # its handle_in is a plain function, or one that may return at once
        self._owner = owner
        self._key = start.key
        self.topic = start.join.topic
        self._join_ref = start.join_ref
        self._pattern = pattern
        self._counts = owner.tally.of(pattern)
        self._inbox: list[Item] = []  # a deque would be the largest part of a quiet channel
        self._held: list[Wire | Frame] | None = []  # what follows the answer to the join
        self._open = False  # the join was answered ok
        self._reason: str | None = None  # why it is over
        self._current: Ref = _IDLE  # the ref of the message that is being handled
        self._doing = "join"  # which callback is to blame
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ends: tuple[Callable[[], None], ...] = ()

    # What the connection asks of it.

    def start(self, make: Callable[[], Channel], join: Message, *, at_once: bool) -> None:
        """Begin the join. Broadcasts from now on are kept until it is answered."""
        self._owner.fanout.watch(self.topic, self.member, self._take)
        if at_once:
            began = perf_counter()
            answer = ask_now(partial(self._made, make), join, self._owner)
            self._tell(Joined(self._pattern, answer.outcome, perf_counter() - began))
            result = guarded_call(self._settle, answer)
            if isinstance(result, Raised):
                self._crashed(result.error)
            self._wake()
            return
        self._task = self._owner.spawn(self._run(partial(self._join, make, join)))

    def receive(self, message: Message) -> None:
        """Take a message of the client, or tell it that the channel cannot keep up."""
        if self.plain and not (self._task or self._reason) and self._current is _IDLE:
            self.handle(message.ref, message.event, message.payload)
            return
        if len(self._inbox) < self._owner.limits.inbox_size:
            self._put(message)
            return
        self._tell(InboxOverflowed(self._pattern, "client"))
        if message.ref is not None:
            refusal = {"reason": "overloaded"}
            self._owner.send(Reply(self._join_ref, message.ref, message.topic, "error", refusal))

    def handle(self, ref: Ref, event: str, payload: Any) -> None:
        """Let a plain handler take a message in place; what it raises ends the channel."""
        raised = guarded_three(self._handle_now, ref, event, payload)
        if raised is not None:
            self._current = _IDLE
            self._crashed(raised.error)
            self._owner.tally.add(self._pattern, event, "crashed", 0.0)

    def leave(self) -> None:
        """Come to an end after what is in the inbox."""
        self._put(Leaving())

    def end(self, reason: str) -> None:
        """Be over now: nothing more reaches the client; a handler at work may finish."""
        if self._reason is not None:
            return
        self._reason = reason
        self._inbox.clear()
        self._held = []
        self._owner.fanout.part(self.topic, self.member, self._owner.writer)
        for ended in self._ends:
            ended()
        if self._task is None:
            if self._open and type(self.channel).terminate is not Channel.terminate:
                self._task = self._owner.spawn(self._run(None))
        elif not self._open:
            if asyncio.current_task() is not self._task:
                self._task.cancel()  # nothing was promised yet
        else:
            loop = asyncio.get_running_loop()
            grace = self._owner.limits.shutdown_timeout_s
            self._timer = loop.call_later(grace, self._task.cancel)

    # What the channel asks of it (channel.Engine).

    def push(self, event: str, payload: Any) -> None:
        """Send to this client, unless it is over."""
        if self._reason is None:
            message = Message(self._join_ref, None, self.topic, event, payload)
            self._send(self._owner.encode(message))

    def push_frame(self, frame: Frame) -> None:
        """Send a shared frame to this client."""
        if (wire := frame.wire(self._owner.writer.serializer)) is not None:
            self._send(wire)

    def send_info(self, message: Any) -> None:
        """Put a message of the app into the inbox; a channel that cannot keep up ends."""
        self._put_own(Info(message))

    def stop(self, reason: str) -> None:
        """Put the end into the inbox."""
        self._put_own(Stopping(reason))

    def socket_ref(self) -> SocketRef:
        """Return what the message being handled is answered by."""
        if self._current is _IDLE or self._current is None:
            raise RuntimeError("there is no message to answer: call this inside handle_in")
        return SocketRef(self._current)

    def reply(self, ref: SocketRef, answer: Ok | Error) -> None:
        """Answer a message, unless the channel is over."""
        if self._reason is None:
            status = "ok" if isinstance(answer, Ok) else "error"
            self._owner.reply(self._join_ref, ref.ref, self.topic, status, answer.response)

    def be_present(self) -> None:
        """Count a change of presence; raises Refused where it is one too many."""
        self._owner.be_present(self.topic)

    def on_end(self, ended: Callable[[], None]) -> None:
        """Call `ended` when the channel is over, which it may be already."""
        if self._reason is None:
            self._ends = (*self._ends, ended)
        else:
            ended()

    # Inside.

    def _tell(self, event: InboxOverflowed | Joined | ChannelCrashed) -> None:
        self._owner.telemetry.emit(event)

    def _send(self, wire: Wire) -> None:
        if self._held is not None:
            self._hold(wire)
        elif self._reason is None:
            self._owner.fanout.own(self._owner.writer, wire)

    def _hold(self, what: Wire | Frame) -> None:
        if self._held is not None and self._reason is None:
            if len(self._held) >= self._owner.limits.inbox_size:
                self._overflow()
            else:
                self._held.append(what)

    def _take(self, frame: Frame) -> None:
        """Take a broadcast: one to keep until the join is answered, or one to intercept."""
        if self._held is not None:
            self._hold(frame)
        elif frame.event in self.channel.intercept:
            self._put_own(frame)
        else:
            self.push_frame(frame)

    def _put_own(self, item: Item) -> None:
        if len(self._inbox) < self._owner.limits.inbox_size:
            self._put(item)
        else:
            self._overflow()

    def _overflow(self) -> None:
        """End a channel that would otherwise miss something: its client joins again."""
        if self._reason is None:
            self._tell(InboxOverflowed(self._pattern, "server"))
            if self._open:
                self._owner.ended(self._key, crashed=True)
            else:
                self._owner.answered(self._key, "error", {"reason": "overloaded"})
            self.end("overloaded")

    def _put(self, item: Item) -> None:
        if self._reason is None:
            self._inbox.append(item)
            self._wake()

    def _wake(self) -> None:
        """See that what is in the inbox is done, but not while a plain function is at work."""
        if self._task is None and self._inbox and self._current is not _IDLE:
            asyncio.get_running_loop().call_soon(self._wake)
        elif self._task is None and self._inbox:
            self._task = self._owner.spawn(self._run(None))

    async def _run(self, first: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
        try:
            result = await guarded(self._work(first))
            if isinstance(result, Raised):
                self._crashed(result.error)
        except asyncio.CancelledError:
            if self._reason is None:  # not our doing: the loop is being taken down
                raise
        finally:
            self._task = None
        if self._timer is not None:
            self._timer.cancel()
        if self._reason is not None and self._open:
            self._open = False
            self._doing = "terminate"
            result = await guarded(self._terminate(self._reason))
            if isinstance(result, Raised):
                self._crashed(result.error)

    async def _work(self, first: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
        """Do what is in the inbox; what a callback raises ends this channel and nothing else."""
        if first is not None:
            await first()
        while self._inbox:
            item = self._inbox.pop(0)
            if isinstance(item, Message):
                self._doing = "handle_in"
                await self._handle_in(item)
            else:
                await self._handle(item)

    def _crashed(self, error: Exception) -> None:
        self._tell(ChannelCrashed(self._pattern, self._doing, error))
        if self._reason is None:
            self._owner.ended(self._key, crashed=True)
            self.end("crashed")

    async def _terminate(self, reason: str) -> None:
        async with asyncio.timeout(self._owner.limits.shutdown_timeout_s):
            await settled(self.channel.terminate(reason))

    async def _join(self, make: Callable[[], Channel], join: Message) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        answer = ABANDONED
        try:
            answer = await ask(partial(self._made, make), join, self._owner)
        finally:
            self._tell(Joined(self._pattern, answer.outcome, loop.time() - began))
        self._settle(answer)

    def _settle(self, answer: JoinAnswer) -> None:
        if answer.error is not None:
            self._tell(ChannelCrashed(self._pattern, "join", answer.error))
        if self._reason is not None:
            return
        if answer.outcome == "ok":
            self._opened(answer.response)
        else:
            self._owner.answered(self._key, "error", answer.response)
            self.end("refused")

    def _made(self, make: Callable[[], Channel]) -> Channel:
        self.channel = make()
        self.channel.engine = self
        if self._owner.telemetry.tracing:
            trace(self.channel, self._pattern, self._owner.telemetry)
        self.plain = is_plain(type(self.channel).handle_in)
        self._raw = self.channel.raw  # here, for a look into the channel costs more
        return self.channel

    def _opened(self, response: Any) -> None:
        """Answer, send what was kept meanwhile, then let broadcasts go straight through."""
        self._open = True
        self._owner.answered(self._key, "ok", response)
        held, self._held = self._held or [], None
        for what in held:
            if isinstance(what, Frame):
                self._take(what)
            else:
                self._send(what)
        if not self.channel.intercept and self._reason is None:
            fanout = self._owner.fanout
            fanout.part(self.topic, self.member)
            fanout.enter(self.topic, self.member, self._owner.writer)

    async def _handle(self, item: Info | Frame | Leaving | Stopping) -> None:
        match item:
            case Info(message):
                self._doing = "handle_info"
                await settled(self.channel.handle_info(message))
            case Frame():
                self._doing = "handle_out"
                payload = Broadcast(item.topic, item.event, item.payload).decode()
                await settled(self.channel.handle_out(item.event, payload))
            case Leaving():
                self._owner.left(self._key)
                self.end("left")
            case Stopping(reason):
                self._finish(reason)

    def _handle_now(self, ref: Ref, event: str, payload: Any) -> None:  # noqa: C901, PLR0912
        """Let a plain handler work in place, without a task. Of many alike only one is timed."""
        if self._task is not None or self._current is not _IDLE or self._reason is not None:
            self.receive(Message(self.client_ref, ref, self.topic, event, payload))
            return
        count = self._counts.get(event)
        began = perf_counter() if count is None else 0.0
        self._doing, self._current = "handle_in", ref
        channel = self.channel
        answer: Answer | Awaitable[Answer]
        try:
            if isinstance(payload, Raw) is not (event in self._raw):
                payload = self._payload(event, payload)
            answer = channel.handle_in(event, payload)
        except Refused as refusal:
            answer = Error(refusal.response)
        if isinstance(answer, Ok):
            if ref is not None and self._reason is None:
                self._owner.reply(self._join_ref, ref, self.topic, "ok", answer.response)
        elif answer is not None and answer is not DONE:
            message = Message(self.client_ref, ref, self.topic, event, None)
            if not isinstance(answer, Error | Stop):  # it has given back something to wait for
                work = partial(self._handle_in, message, answer)
                self._task = self._owner.spawn(self._run(work))
                return
            self._answer(message, answer)
        self._current = _IDLE
        refused = isinstance(answer, Error)
        if count and not refused:
            count[0] += 1
        else:
            seconds = perf_counter() - began if began else 0.0
            self._owner.tally.add(self._pattern, event, "refused" if refused else "ok", seconds)

    async def _handle_in(self, message: Message, begun: Answer | Awaitable[Answer] = None) -> None:
        began = perf_counter()
        self._current = message.ref
        outcome: Outcome = "crashed"
        try:
            try:
                if begun is None:
                    payload = self._payload(message.event, message.payload)
                    begun = self.channel.handle_in(message.event, payload)
                answer = await settled(begun)
            except Refused as refusal:
                answer = Error(refusal.response)
            outcome = "refused" if isinstance(answer, Error) else "ok"
            self._answer(message, answer)
        finally:
            self._current = _IDLE
            seconds = perf_counter() - began
            self._owner.tally.add(self._pattern, message.event, outcome, seconds)

    def _payload(self, event: str, payload: Any) -> Any:
        """Return the payload as this channel wants it; another of the socket may want it raw."""
        raw = event in self._raw
        if isinstance(payload, Raw) is raw or isinstance(payload, bytes):
            return payload
        if raw:  # a client of version 1, whose messages are read whole
            return pack(payload)
        try:
            return msgspec.json.decode(payload)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Refused("malformed") from error

    def _answer(self, message: Message, answer: Answer) -> None:
        reply = answer.reply if isinstance(answer, Stop) else answer
        if reply is not None and message.ref is not None:
            self.reply(SocketRef(message.ref), reply)
        if isinstance(answer, Stop):
            self._finish(answer.reason)

    def _finish(self, reason: str) -> None:
        if self._reason is None:
            graceful = reason in ("normal", "shutdown") or reason.startswith("shutdown:")
            self._owner.ended(self._key, crashed=not graceful)
            self.end(reason)
