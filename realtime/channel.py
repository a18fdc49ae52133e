"""What an app writes: one topic of one socket."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar, NoReturn, Protocol, TypeAlias

from msgspec import Struct, field

from realtime.done import DONE
from realtime.frame import Frame
from realtime.message import Ref
from realtime.socket import Socket


class Refused(Exception):
    """Answers a join or a message with status error: `{"reason": reason, **more}`."""

    def __init__(self, reason: str, **more: Any) -> None:
        super().__init__(reason)
        self.reason = reason
        self.response: dict[str, Any] = {"reason": reason, **more}


class Ok(Struct):
    """Answer with status ok. Bytes make a binary reply."""

    response: Any = field(default_factory=dict)


class Error(Struct):
    """Answer with status error."""

    response: Any = field(default_factory=dict)


class Stop(Struct):
    """End the channel after an answer, if one is given.

    "normal", "shutdown" and "shutdown:…" tell the client phx_close, and it stays away;
    any other reason is phx_error, and it joins again.
    """

    reason: str = "normal"
    reply: Ok | Error | None = None


Answer: TypeAlias = Ok | Error | Stop | None


class SocketRef(Struct, frozen=True):
    """One message of the client that may be answered later, by `Channel.reply`."""

    ref: Ref


class Engine(Protocol):
    """What runs a channel, as the channel sees it."""

    member: int

    def push(self, event: str, payload: Any) -> None:
        """Send to this client."""

    def push_frame(self, frame: Frame) -> None:
        """Send what many clients are sent."""

    def send_info(self, message: Any) -> None:
        """Put a message of the app into the inbox."""

    def stop(self, reason: str) -> None:
        """Put the end into the inbox."""

    def socket_ref(self) -> SocketRef:
        """Return what the message being handled is answered by."""

    def reply(self, ref: SocketRef, answer: Ok | Error) -> None:
        """Answer a message handled before."""

    def be_present(self) -> None:
        """Count a change of presence; raises Refused where it is one too many."""

    def on_end(self, ended: Callable[[], None]) -> None:
        """Call `ended` when the channel is over, which it may be already."""


class Channel:
    """One topic of one socket: callbacks run one at a time, in the order things arrived.

    Broadcasts on `topic` go straight to the client once the join is answered; those named in
    `intercept` go through `handle_out` instead. `terminate` runs once after every join that
    was answered ok, however the channel ends.
    """

    intercept: ClassVar[frozenset[str]] = frozenset()
    # Events whose payload is not read: `handle_in` gets a msgspec.Raw, to answer or broadcast it.
    raw: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, socket: Socket, topic: str) -> None:
        self.socket = socket
        self.topic = topic
        self.engine: Engine = _NOT_RUNNING
        self._assigns: dict[str, Any] | None = None
        self._subscribed: dict[str, Callable[[], None]] | None = None

    @property
    def assigns(self) -> dict[str, Any]:
        """What this channel keeps for itself; it begins as a copy of the socket's."""
        if self._assigns is None:
            self._assigns = dict(self.socket.assigns)
        return self._assigns

    def join(self, params: Any) -> Any:
        """Let the client in, answering it with what is returned; or raise Refused.

        `async def`, or a plain function where nothing has to be waited for: it is faster.
        """

    def handle_in(self, event: str, payload: Any) -> Answer | Awaitable[Answer]:  # noqa: ARG002
        """Do what the client asks; None answers nothing. A channel without this refuses all.

        `async def`, or a plain function that is called in place, without a task. That one may
        return an awaitable for what it cannot answer at once.
        """
        raise Refused("unknown_event", event=event)

    def handle_info(self, message: Any) -> Awaitable[None] | None:  # noqa: ARG002
        """Take what the app said by `send_info`, and broadcasts on topics subscribed to.

        This one, `handle_out` and `terminate` may be plain functions too.
        """
        return DONE

    def handle_out(self, event: str, payload: Any) -> Awaitable[None] | None:
        """Take a broadcast named in `intercept`; unless overridden it goes on to the client."""
        self.push(event, payload)
        return DONE

    def terminate(self, reason: str) -> Awaitable[None] | None:  # noqa: ARG002
        """Put away what the channel held; the client hears nothing more."""
        return DONE

    def push(self, event: str, payload: Any) -> None:
        """Send to this client. Inside `join` it follows the answer."""
        self.engine.push(event, payload)

    def push_frame(self, frame: Frame) -> None:
        """Send a frame of `endpoint.frame()`, which is encoded once however many are sent it."""
        self.engine.push_frame(frame)

    def send_info(self, message: Any) -> None:
        """Put a message for `handle_info` into the inbox, behind the answer to a join."""
        self.engine.send_info(message)

    def send_after(self, seconds: float, message: Any) -> asyncio.TimerHandle:
        """Put a message for `handle_info` into the inbox later, unless that is cancelled."""
        return asyncio.get_running_loop().call_later(seconds, self.send_info, message)

    def subscribe(self, topic: str) -> None:
        """Hand what is broadcast on another topic to `handle_info`, as a Broadcast, to the end."""
        if self._subscribed is None:
            self._subscribed = {}
            self.engine.on_end(self._unsubscribe_all)
        if topic not in self._subscribed:
            self._subscribed[topic] = self.socket.endpoint.subscribe(topic, self.send_info)

    def unsubscribe(self, topic: str) -> None:
        """Hear no more of another topic."""
        if self._subscribed is not None and (stop := self._subscribed.pop(topic, None)):
            stop()

    def stop(self, reason: str = "normal") -> None:
        """End the channel once it has done what is in its inbox."""
        self.engine.stop(reason)

    def socket_ref(self) -> SocketRef:
        """Remember the message being handled, to be answered later by `reply`."""
        return self.engine.socket_ref()

    def reply(self, ref: SocketRef, answer: Ok | Error) -> None:
        """Answer a message that `handle_in` left unanswered."""
        self.engine.reply(ref, answer)

    def broadcast(self, event: str, payload: Any) -> Coroutine[Any, Any, None]:
        """Send to everyone on this topic, on every node."""
        return self.socket.endpoint.broadcast(self.topic, event, payload)

    def broadcast_from(self, event: str, payload: Any) -> Coroutine[Any, Any, None]:
        """Send to everyone on this topic but this client."""
        member = self.engine.member
        return self.socket.endpoint.broadcast_from(member, self.topic, event, payload)

    def _unsubscribe_all(self) -> None:
        for topic in tuple(self._subscribed or ()):
            self.unsubscribe(topic)


class _NotRunning:
    """Stands in until a connection runs the channel."""

    member = 0

    def _refuse(self, *_: Any) -> NoReturn:
        raise RuntimeError("this channel is not running: no client has joined it")

    push = push_frame = send_info = stop = socket_ref = reply = be_present = on_end = _refuse


_NOT_RUNNING = _NotRunning()
