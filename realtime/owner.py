"""The connection, as the channels that it runs see it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Literal, Protocol

from realtime.fanout import Fanout
from realtime.frame import Wire
from realtime.limits import Limits
from realtime.message import Message, Ref, Reply
from realtime.tally import Tally
from realtime.telemetry import Telemetry
from realtime.writer import Writer


class Owner(Protocol):
    """One client, and where its channels report to."""

    writer: Writer
    fanout: Fanout
    limits: Limits
    telemetry: Telemetry
    tally: Tally

    def encode(self, message: Message | Reply) -> Wire:
        """Write for this client; raises what cannot be written."""

    def send(self, message: Message | Reply) -> None:
        """Encode and queue."""

    def reply(self, join_ref: Ref, ref: Ref, topic: str, status: str, response: Any) -> None:
        """Answer at once, behind what was sent before."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that the node waits for when it stops."""

    def answered(self, key: int, status: Literal["ok", "error"], response: Any) -> None:
        """A join has its answer."""

    def left(self, key: int) -> None:
        """A channel has come to the end that its client asked for."""

    def ended(self, key: int, *, crashed: bool) -> None:
        """A channel is over by itself."""

    def be_present(self, topic: str) -> None:
        """Count a change of presence; raises Refused where it is one too many."""
