"""The port within one process: what is published is delivered before publish returns."""

from collections.abc import Callable, Coroutine
from typing import Any

from realtime.done import DONE
from realtime.pubsub.port import Envelope
from realtime.telemetry import Telemetry


class LocalPubSub:
    """For a server of one process, and for tests: several endpoints may share one."""

    def __init__(self) -> None:
        self.telemetry = Telemetry()
        self._attached: list[Callable[[Envelope], None]] = []

    @property
    def connected(self) -> bool:
        """Always: there is nothing between."""
        return True

    async def start(self) -> None:
        """Nothing to begin."""

    async def stop(self) -> None:
        """Nothing to end."""

    def attach(
        self,
        deliver: Callable[[Envelope], None],
        gap: Callable[[], None],  # noqa: ARG002 - nothing is ever lost here
    ) -> Callable[[], None]:
        """Call `deliver` with everything published from now on."""
        self._attached.append(deliver)
        return lambda: self._attached.remove(deliver)

    def publish(self, envelope: Envelope) -> Coroutine[Any, Any, None]:
        """Deliver to everyone attached."""
        for deliver in tuple(self._attached):
            deliver(envelope)
        return DONE
