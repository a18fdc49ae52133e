"""The way between nodes in one process, with everything that goes wrong on real ones.

network = Network()
one, two = (Endpoint(UserSocket, pubsub=network.pubsub()) for _ in range(2))
network.down()                         # Redis is gone: publishing fails, sockets stay
network.up()                           # it is back: `on_gap`, then what is new
network.lose = lambda envelope: ...    # this one never arrives anywhere
network.tear = lambda envelope: ...    # this one arrives in pieces that nobody can read
kill(one)                              # SIGKILL: no goodbye to clients nor to other nodes
"""

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec

from realtime.close import Close
from realtime.endpoint import Endpoint
from realtime.pubsub.port import Envelope, PublishFailed, from_bytes, to_bytes
from realtime.telemetry import MalformedReceived, PubSubLost, PubSubRestored, Telemetry
from realtime.testing.client import MemoryWriter

_REMEMBERED = 10_000
_LOST = Close(1006, "connection lost")


def _never(_: Envelope) -> bool:
    return False


class NetworkPubSub:
    """One node's end of a network."""

    def __init__(self, network: "Network") -> None:
        self.telemetry = Telemetry()
        self._network = network
        self._attached: list[tuple[Callable[[Envelope], None], Callable[[], None]]] = []
        self._cut_at: float | None = None

    @property
    def connected(self) -> bool:
        """Whether what others publish arrives here now."""
        return self._cut_at is None

    async def start(self) -> None:
        """Nothing to begin."""

    async def stop(self) -> None:
        """Nothing to end."""

    def attach(
        self, deliver: Callable[[Envelope], None], gap: Callable[[], None]
    ) -> Callable[[], None]:
        """Call these until the returned function is called."""
        both = deliver, gap
        self._attached.append(both)
        return lambda: self._attached.remove(both)

    async def publish(self, envelope: Envelope) -> None:
        """Send to every node that is not cut off; raises PublishFailed where this one is."""
        if not self.connected:
            raise PublishFailed
        self._network.carry(envelope)

    def cut(self) -> None:
        """Take this node off the network."""
        if self._cut_at is None:
            self._cut_at = asyncio.get_running_loop().time()
            self.telemetry.emit(PubSubLost("cut by a test"))

    def mend(self) -> None:
        """Bring it back; what was published meanwhile is lost, and it is told so."""
        if self._cut_at is not None:
            seconds = asyncio.get_running_loop().time() - self._cut_at
            self._cut_at = None
            self.telemetry.emit(PubSubRestored(seconds, 1))
            for _, gap in tuple(self._attached):
                gap()

    def die(self) -> None:
        """Take this node off the network for good."""
        self._network.remove(self)

    def arrive(self, data: bytes) -> None:
        """Take what the network carried here."""
        try:
            envelope = from_bytes(data)
        except msgspec.DecodeError:
            self.telemetry.emit(MalformedReceived("not an envelope, between nodes"))
            return
        for deliver, _ in tuple(self._attached):
            deliver(envelope)


class Network:
    """Nodes of one process that hear each other, as long as a test lets them."""

    def __init__(self) -> None:
        self.lose: Callable[[Envelope], bool] = _never
        self.tear: Callable[[Envelope], bool] = _never
        self.carried: deque[Envelope] = deque(maxlen=_REMEMBERED)
        self._ends: list[NetworkPubSub] = []

    def pubsub(self) -> NetworkPubSub:
        """Return what one more node is given."""
        end = NetworkPubSub(self)
        self._ends.append(end)
        return end

    def down(self) -> None:
        """Cut off everyone from everyone, as when Redis is gone."""
        for end in self._ends:
            end.cut()

    def up(self) -> None:
        """Mend whatever is cut."""
        for end in self._ends:
            end.mend()

    def carry(self, envelope: Envelope) -> None:
        """Bring an envelope to every node."""
        self.carried.append(envelope)
        if self.lose(envelope):
            return
        data = to_bytes(envelope)
        if self.tear(envelope):
            data = data[: len(data) // 2]
        for end in tuple(self._ends):
            if end.connected:
                end.arrive(data)

    def remove(self, end: NetworkPubSub) -> None:
        """Let nothing through to or from a node any more."""
        end.cut()
        self._ends.remove(end)


def kill(endpoint: Endpoint) -> None:
    """End a node as SIGKILL does: clients see the connection break, other nodes see nothing.

    No callback runs any more, `terminate` neither.
    """
    end = endpoint.pubsub
    if isinstance(end, NetworkPubSub):
        end.die()
    for connection in tuple(endpoint.node.connections):
        writer = getattr(connection, "writer", None)
        if isinstance(writer, MemoryWriter):
            writer.break_off(_LOST)
    endpoint.node.abandon()
