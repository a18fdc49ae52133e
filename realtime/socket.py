"""What an app writes: one connected client, and what the topics are that it may join."""

# mypy: disable-error-code="explicit-override"
# typing.override is newer than Python 3.11, and the library needs no typing_extensions.

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from msgspec import Struct

from realtime.topic import Routes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from realtime.frame import Frame
    from realtime.message import Broadcast


class ConnectInfo(Struct, frozen=True, kw_only=True):
    """What is known of a client that asks to connect."""

    params: dict[str, Any] = {}
    auth_token: str | None = None
    peer: str | None = None
    port: int | None = None
    headers: Mapping[str, str] = {}  # x-*, user-agent, origin, traceparent, tracestate
    # What a middleware put into the ASGI scope; nothing where any page may connect.
    session: Mapping[str, Any] | None = None
    uri: str = ""
    transport: str = "websocket"


class ConnectRefused(Exception):
    """Turns a client away before the upgrade with an HTTP status."""

    def __init__(self, reason: str = "refused", status: int = 403) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class Hub(Protocol):
    """The endpoint, as sockets and channels see it."""

    def broadcast(self, topic: str, event: str, payload: Any) -> Coroutine[Any, Any, None]:
        """Send to everyone on a topic, on every node."""

    def broadcast_from(
        self, sender: int, topic: str, event: str, payload: Any
    ) -> Coroutine[Any, Any, None]:
        """Send to everyone on a topic but one channel."""

    def local_broadcast(self, topic: str, event: str, payload: Any) -> None:
        """Send to everyone on a topic on this node."""

    def subscribe(self, topic: str, handler: Callable[[Broadcast], None]) -> Callable[[], None]:
        """Call `handler` with what is broadcast on a topic."""

    def on_gap(self, handler: Callable[[], None]) -> Callable[[], None]:
        """Call `handler` when something may have been lost between nodes."""

    def frame(self, topic: str, event: str, payload: Any) -> Frame:
        """Encode once what many channels are pushed."""

    async def disconnect(self, socket_id: str) -> None:
        """Close the sockets of one id on every node."""


class Socket:
    """One connected client. Subclass it, name the channels, and say who may connect."""

    channels: ClassVar[Mapping[str, Callable[[Any, str], Any]]] = {}

    def __init_subclass__(cls) -> None:
        """Refuse a pattern that is none where it is written, and not at the first client."""
        super().__init_subclass__()
        Routes(cls.channels)

    def __init__(self, info: ConnectInfo) -> None:
        self.info = info
        self.assigns: dict[str, Any] = {}
        self.endpoint: Hub

    def connect(self) -> Awaitable[None] | None:
        """Let the client in, or raise ConnectRefused. `async def`, or plain if nothing waits."""

    def id(self) -> str | None:
        """Return the topic on which `Endpoint.disconnect` reaches this socket."""
        return None

    def user(self) -> str | None:
        """Return whose rates this socket draws on beside its own; by default those of its id."""
        return self.id()

    def is_over(self) -> bool:
        """Say whether what let the client in has ended; it is then closed with 1001.

        Asked every few seconds of every socket, in place: so it only looks at what it knows.
        """
        return False
