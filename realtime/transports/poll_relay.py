"""Polls that reach another node than the one that holds their session.

The node that was asked publishes the question on the private topic of the owner, which answers
on the private topic of who asked. A poll that has to wait is told so first, so that silence
means a node that is gone.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from realtime.channel import Refused
from realtime.message import Broadcast
from realtime.node import Node
from realtime.socket import Hub
from realtime.telemetry import MalformedReceived
from realtime.transports.poll_session import GONE, Answer


class _Ask(Struct, frozen=True, array_like=True, tag="ask"):
    number: int
    answer_to: str
    session: str
    messages: list[Any] | None  # str or bytes each, as MessagePack has both; None: a poll


class _Held(Struct, frozen=True, array_like=True, tag="held"):
    number: int


class _Told(Struct, frozen=True, array_like=True, tag="told"):
    number: int
    answer: Answer


_decoder = msgspec.msgpack.Decoder(_Ask | _Held | _Told)
_encoder = msgspec.msgpack.Encoder()
_EVENT = "phx:lp"


class PollRelay:
    """Asks other nodes, and answers for the sessions of this one."""

    def __init__(
        self,
        node: Node,
        hub: Hub,
        name: str,
        serve: Callable[[str, Sequence[str | bytes] | None], asyncio.Future[Answer]],
    ) -> None:
        self._node = node
        self._hub = hub
        self._name = name
        self._serve = serve
        self._asked: dict[int, asyncio.Queue[_Held | _Told]] = {}
        self._last = 0
        self._held = 0
        self._stop: Callable[[], None] | None = None

    def hold(self) -> None:
        """Listen to the other nodes: there is one session or one question more."""
        self._held += 1
        if self._stop is None:
            self._stop = self._hub.subscribe(_topic(self._name), self._heard)

    def release(self) -> None:
        """Listen no more once there is neither session nor question."""
        self._held -= 1
        if not self._held and self._stop is not None:
            self._stop()
            self._stop = None

    async def ask(self, owner: str, session: str, messages: Sequence[str | bytes] | None) -> Answer:
        """Let the owner answer; GONE where nobody does in time. Raises PublishFailed."""
        self._last += 1
        number = self._last
        answers = self._asked[number] = asyncio.Queue(maxsize=2)
        sent = None if messages is None else list(messages)
        self.hold()
        try:
            await self._publish(owner, _Ask(number, self._name, session, sent))
            async with asyncio.timeout(self._node.limits.poll_relay_timeout_s) as patience:
                answer = await answers.get()
                if isinstance(answer, _Held):
                    loop = asyncio.get_running_loop()
                    patience.reschedule(loop.time() + 2 * self._node.limits.poll_window_s)
                    answer = await answers.get()
        except TimeoutError:
            return Answer(GONE)
        finally:
            del self._asked[number]
            self.release()
        return answer.answer if isinstance(answer, _Told) else Answer(GONE)

    def _heard(self, broadcast: Broadcast) -> None:
        try:
            heard = _decoder.decode(broadcast.payload)
        except msgspec.DecodeError:
            self._node.telemetry.emit(MalformedReceived("not a poll, between nodes"))
            return
        if isinstance(heard, _Ask):
            self._node.spawn(self._answer(heard))
        elif (answers := self._asked.get(heard.number)) is not None and not answers.full():
            answers.put_nowait(heard)

    async def _answer(self, ask: _Ask) -> None:
        answer = self._serve(ask.session, ask.messages)
        try:
            if not answer.done():
                await self._publish(ask.answer_to, _Held(ask.number))
            await self._publish(ask.answer_to, _Told(ask.number, await answer))
        except Refused:
            answer.cancel()  # between nodes nothing gets through: the client will poll again

    async def _publish(self, node: str, what: _Ask | _Held | _Told) -> None:
        await self._hub.broadcast(_topic(node), _EVENT, _encoder.encode(what))


def _topic(node: str) -> str:
    return f"phx:lp:{node}"
