"""One node of the server: its sockets, and broadcasts from anywhere."""

from collections.abc import Callable, Coroutine, Sequence
from secrets import token_hex
from types import TracebackType
from typing import Any, Self

from realtime.frame import Frame
from realtime.guard import Raised, guarded_call
from realtime.handshake import CheckOrigin
from realtime.limits import Limits
from realtime.message import pack
from realtime.node import Measures, Node
from realtime.pubsub.port import Envelope, PubSub, seal
from realtime.room import Listener
from realtime.serializer import check_names
from realtime.shares import Sharing
from realtime.socket import ConnectInfo, Socket
from realtime.telemetry import ChannelCrashed, Telemetry
from realtime.token import Token
from realtime.transports.longpoll import LongPollTransport
from realtime.transports.sse import EventStreamTransport
from realtime.transports.websocket import WebSocketTransport

DISCONNECT = "disconnect"


class Endpoint:
    """Start it in the app's lifespan, mount its transports, broadcast from anywhere."""

    def __init__(
        self,
        make_socket: Callable[[ConnectInfo], Socket],
        *,
        pubsub: PubSub,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        check_origin: CheckOrigin = True,
        telemetry: Telemetry | None = None,
        secrets: str | Sequence[str] | None = None,
    ) -> None:
        """Long polls need `secrets`, the same on every node, to work without sticky sessions."""
        self.telemetry = telemetry or Telemetry()
        self.pubsub = pubsub
        self.name = token_hex(4)
        self.node = Node(
            self,
            make_socket,
            limits=limits,
            check_origin=check_origin,
            telemetry=self.telemetry,
        )
        self.websocket = WebSocketTransport(self.node)
        self.sse = EventStreamTransport(self.node)
        self.longpoll = LongPollTransport(self.node, self, self.name, Token(secrets or token_hex()))
        self.sharing: Sharing | None = None
        if limits.user_rates is not None or limits.address_rates is not None:
            every_s = limits.share_rates_s
            self.sharing = Sharing(self.name, self.node.meters, self, self.telemetry, every_s)
        self._gaps: dict[object, Callable[[], None]] = {}
        self._detach: list[Callable[[], None]] = []

    async def start(self) -> None:
        """Listen to the other nodes."""
        if self.pubsub.telemetry is not self.telemetry:
            self._detach.append(self.pubsub.telemetry.attach(self.telemetry.emit))
        self._detach.append(self.pubsub.attach(self._deliver, self._gap))
        await self.pubsub.start()
        if self.sharing is not None:
            self.sharing.start()

    async def stop(self) -> None:
        """Send away who is still here, wait for what is running, and listen to nobody."""
        await self.drain(pause_s=0)
        if self.sharing is not None:
            self.sharing.stop()
        await self.node.settle(self.node.limits.shutdown_timeout_s)
        self.node.tally.tell()
        self.node.fanout.tell()
        while self._detach:
            self._detach.pop()()
        await self.pubsub.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    def broadcast(self, topic: str, event: str, payload: Any) -> Coroutine[Any, Any, None]:
        """Send to everyone on a topic, on every node; raises PublishFailed."""
        return self.pubsub.publish(seal(self.name, topic, event, payload))

    def broadcast_from(
        self, sender: int, topic: str, event: str, payload: Any
    ) -> Coroutine[Any, Any, None]:
        """Send to everyone on a topic but the channel whose `engine.member` is `sender`."""
        return self.pubsub.publish(seal(self.name, topic, event, payload, sender))

    def local_broadcast(self, topic: str, event: str, payload: Any) -> None:
        """Send to everyone on a topic on this node, at once."""
        self._deliver(seal(self.name, topic, event, payload))

    def local_broadcast_from(self, sender: int, topic: str, event: str, payload: Any) -> None:
        """Send to everyone on a topic on this node but one channel."""
        self._deliver(seal(self.name, topic, event, payload, sender))

    def subscribe(self, topic: str, handler: Listener) -> Callable[[], None]:
        """Call `handler` in place with what is broadcast on a topic, until told to stop."""
        return self.node.fanout.listen(topic, handler)

    def on_gap(self, handler: Callable[[], None]) -> Callable[[], None]:
        """Call `handler` after an outage between nodes: something may have been lost."""
        key = object()
        self._gaps[key] = handler

        def stop() -> None:
            self._gaps.pop(key, None)

        return stop

    def frame(self, topic: str, event: str, payload: Any) -> Frame:
        """Encode once what many channels are pushed with `push_frame`."""
        packed = pack(payload)
        check_names(topic, event, packed)
        return Frame(topic, event, packed)

    async def disconnect(self, socket_id: str) -> None:
        """Close the sockets whose `id()` this is, on every node, with 1001."""
        await self.broadcast(socket_id, DISCONNECT, {})

    async def drain(self, *, batch: int = 200, pause_s: float = 0.25) -> None:
        """Send everyone away with 1012, a batch at a time."""
        await self.node.drain(batch=batch, pause_s=pause_s)

    def measure(self) -> Measures:
        """Count sockets, channels, topics and what waits for slow clients: for gauges."""
        return self.node.measure()

    def _deliver(self, envelope: Envelope) -> None:
        if envelope.event == DISCONNECT and envelope.topic in self.node.by_id:
            self.node.disconnect(envelope.topic)
        frame = Frame(envelope.topic, envelope.event, envelope.payload, envelope.at)
        exclude = envelope.exclude if envelope.origin == self.name else 0
        self.node.fanout.deliver(frame, exclude)

    def _gap(self) -> None:
        for handler in tuple(self._gaps.values()):
            result = guarded_call(handler)
            if isinstance(result, Raised):
                self.telemetry.emit(ChannelCrashed("", "gap", result.error))


class Publisher:
    """Broadcasts from a process that holds no sockets, such as a worker."""

    def __init__(self, pubsub: PubSub) -> None:
        self.pubsub = pubsub

    async def broadcast(self, topic: str, event: str, payload: Any) -> None:
        """Send to everyone on a topic, on every node; raises PublishFailed."""
        await self.pubsub.publish(seal("", topic, event, payload))

    async def disconnect(self, socket_id: str) -> None:
        """Close the sockets of one id on every node."""
        await self.broadcast(socket_id, DISCONNECT, {})
