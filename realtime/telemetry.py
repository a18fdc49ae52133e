"""What the library tells of itself; an app attaches handlers. Nothing is logged here."""

from collections.abc import Callable
from typing import Literal, TypeAlias

from msgspec import Struct


class SocketOpened(Struct, frozen=True):
    """A client was let in."""

    transport: str
    vsn: str
    seconds: float


class SocketRefused(Struct, frozen=True):
    """A client was turned away before the upgrade."""

    status: int
    reason: str


class SocketClosed(Struct, frozen=True):
    """A connection is over."""

    code: int
    reason: str
    seconds: float


class Drained(Struct, frozen=True):
    """One batch of a node that stops was sent on."""

    sockets: int
    left: int


class Joined(Struct, frozen=True):
    """A join was answered, or given up by the client before it was."""

    pattern: str
    outcome: Literal["ok", "refused", "crashed", "timeout", "abandoned"]
    seconds: float


class Handled(Struct, frozen=True):
    """Channels have handled messages of one kind; told of a few times a second, with a count."""

    pattern: str
    event: str
    outcome: Literal["ok", "refused", "crashed"]
    seconds: float  # all of them together, reckoned from those that were timed
    count: int = 1


class ChannelCrashed(Struct, frozen=True):
    """A callback raised; the channel's client was told, and joins again."""

    pattern: str
    callback: str  # a method of Channel; or "listener", "gap", "deliver" outside channels
    error: BaseException


class Flushed(Struct, frozen=True):
    """Broadcasts were handed to their sockets; those of many ticks are told of together."""

    broadcasts: int
    deliveries: int
    seconds: float  # the longest that one waited, from reaching this node
    oldest_s: float  # the longest since one was published, by the wall clock


class WriterOverflowed(Struct, frozen=True):
    """A client did not read what it asked for and was closed."""

    waiting_bytes: int
    cause: Literal["bytes", "stalled"]


class InboxOverflowed(Struct, frozen=True):
    """A channel could not keep up; the client's message was refused, or the channel ended."""

    pattern: str
    source: Literal["client", "server"]


class MalformedReceived(Struct, frozen=True):
    """A message that says nothing the protocol knows; it was dropped."""

    reason: str


class RateLimited(Struct, frozen=True):
    """A client asked for more than its rate: it was told, or closed for going on regardless."""

    scope: Literal["socket", "user", "address"]
    kind: Literal["joins", "pushes", "presence", "bytes"]
    outcome: Literal["refused", "closed"]


class PubSubLost(Struct, frozen=True):
    """The subscription to the other nodes broke off."""

    reason: str


class PubSubRestored(Struct, frozen=True):
    """The subscription stands again; what was published in between is lost (a gap)."""

    seconds: float
    attempts: int


class PublishRefused(Struct, frozen=True):
    """A broadcast could not be handed to the other nodes; its caller was told."""

    reason: str
    count: int


class SpanStarted(Struct, frozen=True):
    """A callback of the app begins."""

    id: int
    callback: str  # "connect", or a method of Channel
    pattern: str  # of the channel's topic; nothing for a socket
    event: str  # what handle_in and handle_out are given


class SpanStopped(Struct, frozen=True):
    """It has returned."""

    span: SpanStarted
    seconds: float
    outcome: str  # "ok", or "refused"


class SpanRaised(Struct, frozen=True):
    """It has raised, or was cancelled."""

    span: SpanStarted
    seconds: float
    error: BaseException


Span: TypeAlias = SpanStarted | SpanStopped | SpanRaised
Event: TypeAlias = (
    SocketOpened
    | SocketRefused
    | SocketClosed
    | Drained
    | Joined
    | Handled
    | ChannelCrashed
    | Flushed
    | WriterOverflowed
    | InboxOverflowed
    | MalformedReceived
    | RateLimited
    | PubSubLost
    | PubSubRestored
    | PublishRefused
)


class Telemetry:
    """Where events go. A handler is called in place, so it must be quick and must not raise."""

    def __init__(self, *handlers: Callable[[Event], None]) -> None:
        self._handlers = handlers
        self._tracers: tuple[Callable[[Span], None], ...] = ()

    def attach(self, handler: Callable[[Event], None]) -> Callable[[], None]:
        """Send events to `handler` until the returned function is called."""
        self._handlers = (*self._handlers, handler)

        def detach() -> None:
            self._handlers = tuple(kept for kept in self._handlers if kept is not handler)

        return detach

    def emit(self, event: Event) -> None:
        """Tell everyone attached."""
        for handler in self._handlers:
            handler(event)

    def trace(self, tracer: Callable[[Span], None]) -> Callable[[], None]:
        """Tell `tracer` of every callback of sockets and channels that begin from now on.

        It is called in place, a span's beginning and end in one context (contextvars).
        """
        self._tracers = (*self._tracers, tracer)

        def stop() -> None:
            self._tracers = tuple(kept for kept in self._tracers if kept is not tracer)

        return stop

    @property
    def tracing(self) -> bool:
        """Whether anybody wants to hear of spans."""
        return bool(self._tracers)

    def emit_span(self, span: Span) -> None:
        """Tell everyone who traces."""
        for tracer in self._tracers:
            tracer(span)
