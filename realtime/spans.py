"""Spans: the beginning and the end of every callback of the app, for who wants to trace them.

Nothing here is on anybody's way unless `Telemetry.trace` was called: a channel that is joined
later, and a socket that connects later, then has its callbacks wrapped.
"""

from collections.abc import Awaitable, Callable
from itertools import count
from time import perf_counter
from typing import Any, Final

from realtime.channel import Channel, Error, Refused
from realtime.socket import ConnectRefused, Socket
from realtime.telemetry import SpanRaised, SpanStarted, SpanStopped, Telemetry

_CALLBACKS: Final = ("join", "handle_in", "handle_info", "handle_out", "terminate")
_NAMES_AN_EVENT: Final = frozenset({"handle_in", "handle_out"})
_numbers = count(1)


class _Span:
    """One callback at work. Whatever comes of it, its end is told once."""

    __slots__ = ("_began", "_started", "_telemetry")

    def __init__(self, telemetry: Telemetry, started: SpanStarted) -> None:
        self._telemetry = telemetry
        self._started = started
        telemetry.emit_span(started)
        self._began = perf_counter()

    def stop(self, result: Any) -> None:
        """Tell that it returned."""
        self._stop("refused" if isinstance(result, Error) else "ok")

    def fail(self, error: BaseException) -> None:
        """Tell that it raised; a refusal is an answer."""
        if isinstance(error, Refused | ConnectRefused):
            self._stop("refused")
        else:
            seconds = perf_counter() - self._began
            self._telemetry.emit_span(SpanRaised(self._started, seconds, error))

    def _stop(self, outcome: str) -> None:
        seconds = perf_counter() - self._began
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
        span = _Span(telemetry, SpanStarted(next(_numbers), name, pattern, event))
        try:
            result = function(*arguments)
        except BaseException as error:
            span.fail(error)
            raise
        if isinstance(result, Awaitable):
            return _awaited(span, result)
        span.stop(result)
        return result

    setattr(owner, name, called)


async def _awaited(span: _Span, work: Awaitable[Any]) -> Any:
    try:
        result = await work
    except BaseException as error:
        span.fail(error)
        raise
    span.stop(result)
    return result
