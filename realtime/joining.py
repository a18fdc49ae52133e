"""Lets the app decide on a join, within a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from msgspec import Struct

from realtime.channel import Channel, Refused
from realtime.guard import Raised, guarded, guarded_call
from realtime.message import Message, Packed, Reply, pack
from realtime.owner import Owner


class JoinAnswer(Struct, frozen=True):
    """How a join went."""

    outcome: Literal["ok", "refused", "crashed", "timeout", "abandoned"]
    response: Any = None
    error: Exception | None = None


ABANDONED = JoinAnswer("abandoned")


async def ask(make: Callable[[], Channel], join: Message, owner: Owner) -> JoinAnswer:
    """Make the channel and let it answer; whatever goes wrong is an answer too."""
    deadline = asyncio.timeout(owner.limits.join_timeout_s)

    async def decide() -> Packed:
        channel = make()
        async with deadline:
            response = channel.join(join.payload)
            if isinstance(response, Awaitable):
                response = await response
        return _packed(response, join, owner)

    return _answer(await guarded(decide()), deadline)


def ask_now(make: Callable[[], Channel], join: Message, owner: Owner) -> JoinAnswer:
    """Make a channel whose join is a plain function, and let it answer."""

    def decide() -> Packed:
        return _packed(make().join(join.payload), join, owner)

    return _answer(guarded_call(decide), None)


def _packed(response: Any, join: Message, owner: Owner) -> Packed:
    packed = pack({} if response is None else response)
    if isinstance(packed, bytes):  # which not every client can be sent
        owner.encode(Reply(join.join_ref, join.ref, join.topic, "ok", packed))
    return packed


def _answer(result: Packed | Raised, deadline: asyncio.Timeout | None) -> JoinAnswer:
    if not isinstance(result, Raised):
        return JoinAnswer("ok", result)
    if isinstance(result.error, Refused):
        return JoinAnswer("refused", result.error.response)
    if deadline is not None and deadline.expired():
        return JoinAnswer("timeout", {"reason": "join timeout"}, result.error)
    return JoinAnswer("crashed", {"reason": "join crashed"}, result.error)
