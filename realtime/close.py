"""Why a socket is closed. Never with 1000: phoenix.js up to 1.8.15 stays away after it."""

from typing import Final

from msgspec import Struct


class Close(Struct, frozen=True):
    """A websocket close code and the words that go with it."""

    code: int
    reason: str


DISCONNECTED: Final = Close(1001, "disconnected by the server")
GOING_AWAY: Final = Close(1001, "going away")
PROTOCOL: Final = Close(1002, "protocol error")
NOT_UTF8: Final = Close(1007, "text that is not UTF-8")
OVER_RATE: Final = Close(1008, "too many messages over the rate")
TOO_BIG: Final = Close(1009, "message too big")
CRASHED: Final = Close(1011, "internal error")
RESTARTING: Final = Close(1012, "service restart")
SLOW: Final = Close(4008, "slow consumer")
IDLE: Final = Close(4009, "idle timeout")
FLOODING: Final = Close(4010, "too many malformed messages")
