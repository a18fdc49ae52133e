"""What waits in a channel's inbox beside the messages of its client."""

from typing import Any, TypeAlias

from msgspec import Struct

from realtime.frame import Frame
from realtime.message import Message


class Info(Struct, frozen=True):
    """What the app said by `send_info`."""

    message: Any


class Leaving(Struct, frozen=True):
    """The client wants to leave."""


class Stopping(Struct, frozen=True):
    """The channel wants to stop."""

    reason: str


Item: TypeAlias = Message | Frame | Info | Leaving | Stopping
