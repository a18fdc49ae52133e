"""One client of the long poll, between its requests."""

# mypy: disable-error-code="explicit-override"
# typing.override is newer than Python 3.11, and the library needs no typing_extensions.

import asyncio
import secrets
from collections.abc import Callable, Sequence

from msgspec import Struct

from realtime.close import IDLE, RESTARTING
from realtime.connection import Connection
from realtime.node import Node
from realtime.serializer import Serializer
from realtime.socket import Socket
from realtime.transports.buffered import BufferedWriter
from realtime.transports.text_only import in_text

OK, NOTHING, GONE, AGAIN = 200, 204, 410, 500
_WINDOWS_OF_SILENCE = 1.5


class Answer(Struct, frozen=True, array_like=True):
    """What a poll or a batch of messages is answered with."""

    status: int
    messages: Sequence[str] = ()


class _Polled(Connection):
    """A connection whose life is told by polls: such clients send no heartbeats."""

    __slots__ = ()

    def check(self, now: float) -> None:
        """Leave it to the session, which ends it."""


class PollSession:
    """Buffers between polls; ends after one and a half windows without one."""

    def __init__(
        self, node: Node, socket: Socket, serializer: Serializer, forget: Callable[[str], None]
    ) -> None:
        self.id = secrets.token_urlsafe(12)
        self._window_s = node.limits.poll_window_s
        self._forget = forget
        self._poll: asyncio.Future[Answer] | None = None
        self._window: asyncio.TimerHandle | None = None
        self._writer = BufferedWriter(
            in_text(serializer), limit=node.limits.writer_bytes, news=self._news
        )
        self._connection = _Polled(node, socket, self._writer)
        self._writer.overflowed = self._connection.overflowed
        self._silence = self._after(_WINDOWS_OF_SILENCE * self._window_s, self._expire)

    def opened(self, *, seconds: float) -> None:
        """Tell that the client is in."""
        self._connection.opened(seconds=seconds)

    def receive(self, messages: Sequence[str | bytes]) -> Answer:
        """Take what the client sends; an error among it is told in the next poll."""
        if self._writer.closed is not None:
            return Answer(GONE)
        for message in messages:
            self._connection.received(message)
        return Answer(OK)

    def poll(self) -> asyncio.Future[Answer]:
        """Return what will be the answer. Of two polls at once the later one is meant."""
        self._silence.cancel()
        self._silence = self._after(_WINDOWS_OF_SILENCE * self._window_s, self._expire)
        self._answer(Answer(NOTHING))
        self._poll = asyncio.get_running_loop().create_future()
        poll = self._poll
        self._window = self._after(self._window_s, lambda: self._answer(Answer(NOTHING)))
        self._news()
        return poll

    def _news(self) -> None:
        """Answer the poll that waits, if there is something to answer it with."""
        if self._poll is None or self._poll.done():
            return
        if wires := self._writer.take():
            self._answer(Answer(OK, [wire.text for wire in wires]))
        elif (close := self._writer.closed) is not None:
            # A node that stops lets nobody in again at once: 500 makes the client come back later.
            self._answer(Answer(AGAIN if close is RESTARTING else GONE))
            self._end()

    def _answer(self, answer: Answer) -> None:
        poll, self._poll = self._poll, None
        if self._window is not None:
            self._window.cancel()
        if poll is not None and not poll.done():
            poll.set_result(answer)

    def _expire(self) -> None:
        self._connection.close(IDLE)
        self._answer(Answer(GONE))
        self._end()

    def _end(self) -> None:
        self._silence.cancel()
        self._forget(self.id)

    def _after(self, seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, call)
