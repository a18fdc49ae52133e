"""Spans: the beginning and the end of every callback of the app, for who wants to trace them.

Nothing here is on anybody's way unless `Telemetry.trace` was called: a channel that is joined
later, and a socket that connects later, then has its callbacks wrapped.
"""

from collections.abc import Awaitable, Callable
from itertools import count
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Self

from realtime.channel import Channel, Error, Refused
from realtime.socket import ConnectRefused, Socket
from realtime.telemetry import SpanRaised, SpanStarted, SpanStopped, Telemetry

_CALLBACKS: Final = ("join", "handle_in", "handle_info", "handle_out", "terminate")
_NAMES_AN_EVENT: Final = frozenset({"handle_in", "handle_out"})
_numbers = count(1)


class _Span:
    """One callback at work, as a block. Whatever comes of it, its end is told once."""

    __slots__ = ("_began", "_started", "_telemetry", "goes_on", "result")

    def __init__(self, telemetry: Telemetry, started: SpanStarted) -> None:
        self._telemetry = telemetry
        self._started = started
        self.goes_on = False  # what the block called is to be awaited yet
        self.result: Any = None
        telemetry.emit_span(started)
        self._began = perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        seconds = perf_counter() - self._began
        if error is not None and not isinstance(error, Refused | ConnectRefused):
            self._telemetry.emit_span(SpanRaised(self._started, seconds, error))
        elif error is not None or not self.goes_on:
            refused = error is not None or isinstance(self.result, Error)
            outcome = "refused" if refused else "ok"
            self._telemetry.emit_span(SpanStopped(self._started, seconds, outcome))


def trace(channel: Channel, pattern: str, telemetry: Telemetry) -> None:
    """Wrap the callbacks of a channel."""
    for name in _CALLBACKS:
        _wrap(channel, name, pattern, telemetry)


def trace_connect(socket: Socket, telemetry: Telemetry) -> None:
    """Wrap the one callback of a socket that may wait."""
    _wrap(socket, "connect", "", telemetry)


def _wrap(owner: Channel | Socket, name: str, pattern: str, telemetry: Telemetry) -> None:
    function: Callable[..., Any] = getattr(owner, name)

    def called(*arguments: Any) -> Any:
        event = str(arguments[0]) if name in _NAMES_AN_EVENT else ""
        with _Span(telemetry, SpanStarted(next(_numbers), name, pattern, event)) as span:
            result = span.result = function(*arguments)
            span.goes_on = isinstance(result, Awaitable)
        return _awaited(span, result) if span.goes_on else result

    setattr(owner, name, called)


async def _awaited(span: _Span, work: Awaitable[Any]) -> Any:
    span.goes_on = False
    with span:
        span.result = await work
    return span.result
