"""Lets the app decide on a join, within a time."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

from realtime.channel import Channel, Refused
from realtime.guard import Raised, guarded
from realtime.message import Message, Packed, Reply, pack
from realtime.owner import Owner


class Answer(Struct, frozen=True):
    """How a join went."""

    outcome: Literal["ok", "refused", "crashed", "timeout", "abandoned"]
    response: Any = None
    error: Exception | None = None


ABANDONED = Answer("abandoned")


async def ask(make: Callable[[], Channel], join: Message, owner: Owner) -> Answer:
    """Make the channel and let it answer; whatever goes wrong is an answer too."""
    deadline = asyncio.timeout(owner.limits.join_timeout_s)

    async def decide() -> Packed:
        channel = make()
        async with deadline:
            response = await channel.join(join.payload)
        packed = pack({} if response is None else response)
        if isinstance(packed, bytes):  # which not every client can be sent
            owner.encode(Reply(join.join_ref, join.ref, join.topic, "ok", packed))
        return packed

    result = await guarded(decide())
    if not isinstance(result, Raised):
        return Answer("ok", result)
    if isinstance(result.error, Refused):
        return Answer("refused", result.error.response)
    if deadline.expired():
        return Answer("timeout", {"reason": "join timeout"}, result.error)
    return Answer("crashed", {"reason": "join crashed"}, result.error)
