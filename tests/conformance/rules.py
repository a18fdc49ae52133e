"""What a case is: a conversation, and the rule that it shows."""

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from tests.conformance.wire import Judge

BOTH = ("websocket", "longpoll")
WEBSOCKET = ("websocket",)
LONGPOLL = ("longpoll",)

Conversation = Callable[[Judge], Awaitable[None]]


class Case(Struct, frozen=True):
    """One rule and the conversation that shows it."""

    name: str
    rule: str
    talk: Conversation
    transports: tuple[str, ...]
    beyond: bool  # where we promise more than Phoenix does, which it would fail


CASES: list[Case] = []


def rule(
    words: str, *, on: tuple[str, ...] = BOTH, beyond: bool = False
) -> Callable[[Conversation], Conversation]:
    """Make a case of a conversation. The words begin with the number of the rule."""

    def made(talk: Conversation) -> Conversation:
        CASES.append(Case(getattr(talk, "__name__", words), words, talk, on, beyond))
        return talk

    return made


ROOM = "room:1"
HEARTBEAT = [None, "beat", "phoenix", "heartbeat", {}]


def reply(join_ref: Any, ref: Any, status: str, response: Any, topic: str = ROOM) -> list[Any]:
    """Return the answer as version 2 writes it."""
    return [join_ref, ref, topic, "phx_reply", {"status": status, "response": response}]


BEAT = reply(None, "beat", "ok", {}, "phoenix")
UNMATCHED = {"reason": "unmatched topic"}


async def says(wire: Any, *frames: Any) -> None:
    """Expect exactly these frames, in this order."""
    for frame in frames:
        came = await wire.receive()
        assert came == frame, f"came {came!r} where {frame!r} is right"


async def says_no_more(wire: Any) -> None:
    """Expect that nothing is on its way: a heartbeat's answer would come behind it."""
    await wire.send(HEARTBEAT)
    await says(wire, BEAT)


async def joined(wire: Any, ref: str = "1", topic: str = ROOM, params: Any = None) -> None:
    """Join, and expect to be let in."""
    params = params or {}
    await wire.send([ref, ref, topic, "phx_join", params])
    await says(wire, reply(ref, ref, "ok", params, topic))
