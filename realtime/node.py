"""What the connections of one process share."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Mapping
from itertools import islice
from typing import Any, Protocol

from msgspec import Struct

from realtime.close import DISCONNECTED, RESTARTING, Close
from realtime.fanout import Fanout
from realtime.handshake import CheckOrigin
from realtime.limits import Limits
from realtime.meter import Meters
from realtime.socket import ConnectInfo, ConnectRefused, Hub, Socket
from realtime.spans import trace_connect
from realtime.tally import Tally
from realtime.telemetry import Drained, SocketRefused, Telemetry
from realtime.topic import Routes

_DRAIN_BATCH, _DRAIN_PAUSE_S = 200, 0.25
_Channels = Mapping[str, Callable[[Any, str], Any]]


class Closable(Protocol):
    """A connection, as the node sees it."""

    over: bool

    def close(self, close: Close) -> None:
        """Say goodbye to the client."""

    def check(self, now: float) -> None:
        """Close if the client has gone silent or stopped reading."""

    def channels(self) -> int:
        """Return how many channels the client has joined."""

    def waiting(self) -> int:
        """Return how many bytes the client has not taken."""


class Measures(Struct, frozen=True):
    """What there is on a node at one moment."""

    sockets: int
    channels: int
    topics: int
    tasks: int
    waiting_bytes: int
    largest_waiting_bytes: int  # of one socket


class Node:
    """The sockets of this process, by id, and what is running for them."""

    def __init__(
        self,
        hub: Hub,
        make_socket: Callable[[ConnectInfo], Socket],
        *,
        limits: Limits,
        check_origin: CheckOrigin,
        telemetry: Telemetry,
    ) -> None:
        self.limits = limits
        self.check_origin = check_origin
        self.telemetry = telemetry
        self.tally = Tally(telemetry)
        self.meters = Meters(limits)
        self.fanout = Fanout(telemetry, slice_sockets=limits.slice_sockets)
        self.connections: dict[Closable, None] = {}
        self.by_id: dict[str, dict[Closable, None]] = {}
        self.draining: asyncio.Task[None] | None = None
        self._hub = hub
        self._make_socket = make_socket
        self._tasks: set[asyncio.Task[None]] = set()
        self._channels: _Channels | None = None
        self._routes: Routes[Callable[[Any, str], Any]] = Routes({})
        self.raw_events: frozenset[str] = frozenset()  # of the channels that `routes` gave last
        self._sweep: asyncio.TimerHandle | None = None

    async def admit(self, info: ConnectInfo) -> Socket:
        """Let the app decide on a client."""
        try:
            socket = self._make_socket(info)
            socket.endpoint = self._hub
            if self.telemetry.tracing:
                trace_connect(socket, self.telemetry)
            deciding = socket.connect()
            if deciding is not None:
                async with asyncio.timeout(self.limits.connect_timeout_s):
                    await deciding
        except TimeoutError as error:
            raise self.refused("timeout", 503) from error
        except ConnectRefused as refusal:
            raise self.refused(refusal.reason, refusal.status) from refusal
        if not isinstance(socket.id(), str | None):
            raise self.refused("id")
        return socket

    def refused(self, reason: str, status: int = 403) -> ConnectRefused:
        """Count a client that is turned away, and return what to raise."""
        self.telemetry.emit(SocketRefused(status, reason))
        return ConnectRefused(reason, status)

    def routes(self, channels: _Channels) -> Routes[Callable[[Any, str], Any]]:
        """Return the routes of a socket's channels, worked out once for each table."""
        if channels is not self._channels:
            self._channels, self._routes = channels, Routes(channels)
            kinds = [getattr(kind, "raw", frozenset[str]()) for kind in channels.values()]
            self.raw_events = frozenset[str]().union(*kinds)
        return self._routes

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task and hold it until it is done."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def add(self, connection: Closable, socket_id: str | None) -> None:
        """Know a connection from now on."""
        self.connections[connection] = None
        if socket_id is not None:
            self.by_id.setdefault(socket_id, {})[connection] = None
        if self._sweep is None:
            self._schedule_sweep()

    def remove(self, connection: Closable, socket_id: str | None) -> None:
        """Forget a connection."""
        self.connections.pop(connection, None)
        if socket_id is not None and (same := self.by_id.get(socket_id)) is not None:
            same.pop(connection, None)
            if not same:
                del self.by_id[socket_id]

    def disconnect(self, socket_id: str) -> None:
        """Close this node's sockets of one id."""
        for connection in tuple(self.by_id.get(socket_id, ())):
            connection.close(DISCONNECTED)

    async def drain(self, *, batch: int, pause_s: float) -> None:
        """Send everyone away a batch at a time, so that the next node is not run over."""
        while self.connections:
            some = tuple(islice(self.connections, batch))
            for connection in some:
                connection.close(RESTARTING)
            self.telemetry.emit(Drained(len(some), len(self.connections)))
            await asyncio.sleep(pause_s if self.connections else 0)

    def begin_drain(self) -> None:
        """Start to send everyone away, once."""
        if self.draining is None:
            pauses = self.limits.drain_s / _DRAIN_PAUSE_S
            batch = max(_DRAIN_BATCH, math.ceil(len(self.connections) / pauses))
            self.draining = self.spawn(self.drain(batch=batch, pause_s=_DRAIN_PAUSE_S))

    def measure(self) -> Measures:
        """Count what there is; it looks at every connection, so not many times a second."""
        waiting = [connection.waiting() for connection in self.connections]
        return Measures(
            sockets=len(waiting),
            channels=sum(connection.channels() for connection in self.connections),
            topics=len(self.fanout),
            tasks=len(self._tasks),
            waiting_bytes=sum(waiting),
            largest_waiting_bytes=max(waiting, default=0),
        )

    async def settle(self, within_s: float) -> None:
        """Wait for what is still running; cancel what takes too long."""
        tasks = self._tasks - {asyncio.current_task()}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=within_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    def abandon(self) -> None:
        """Forget everything in the middle of it, as a node does that is killed: for tests."""
        for connection in self.connections:
            connection.over = True
        self.connections.clear()
        self.by_id.clear()
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    def _schedule_sweep(self) -> None:
        loop = asyncio.get_running_loop()
        every = min(self.limits.idle_timeout_s, self.limits.writer_stall_s) / 4
        self._sweep = loop.call_later(every, self._sweep_once)

    def _sweep_once(self) -> None:
        """Look for the silent and the stuck; one timer for all of them."""
        self._sweep = None
        now = asyncio.get_running_loop().time()
        for connection in tuple(self.connections):
            connection.check(now)
        if self.connections:
            self._schedule_sweep()
