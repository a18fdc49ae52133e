"""Lets the app decide on a join, within a time."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal, Protocol

from msgspec import Struct

from realtime.channel import Channel, Refused
from realtime.frame import Wire
from realtime.guard import Raised, guarded
from realtime.limits import Limits
from realtime.message import Message, Packed, Reply, pack


class Answer(Struct, frozen=True):
    """How a join went."""

    outcome: Literal["ok", "refused", "crashed", "timeout", "abandoned"]
    response: Any = None
    error: Exception | None = None


ABANDONED = Answer("abandoned")


class Client(Protocol):
    """Whose join it is."""

    limits: Limits

    def encode(self, message: Message | Reply) -> Wire:
        """Write for this client; raises what cannot be written."""


async def ask(make: Callable[[], Channel], join: Message, client: Client) -> Answer:
    """Make the channel and let it answer; whatever goes wrong is an answer too."""
    deadline = asyncio.timeout(client.limits.join_timeout_s)

    async def decide() -> Packed:
        channel = make()
        async with deadline:
            response = await channel.join(join.payload)
        packed = pack({} if response is None else response)
        if isinstance(packed, bytes):  # which not every client can be sent
            client.encode(Reply(join.join_ref, join.ref, join.topic, "ok", packed))
        return packed

    result = await guarded(decide())
    if not isinstance(result, Raised):
        return Answer("ok", result)
    if isinstance(result.error, Refused):
        return Answer("refused", result.error.response)
    if deadline.expired():
        return Answer("timeout", {"reason": "join timeout"}, result.error)
    return Answer("crashed", {"reason": "join crashed"}, result.error)
