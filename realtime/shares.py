"""Rates of users and addresses across nodes: each node takes a share of what there is of one.

A bucket that is not full at some moment is giving out, and the part of the time in which it is not
full is the part of its rate that is used. So a look at every bucket once a period tells what is
used, and nothing is counted when a message comes. What is much used is told to the other nodes;
what they use of a rate is not given out here, but never less than a fair part.

Without word from the others (one node, an outage between them) every rate is whole here.
"""

import asyncio
import random
from collections.abc import Callable
from heapq import nlargest
from typing import Final

import msgspec
from msgspec import Struct

from realtime.channel import Refused
from realtime.message import Broadcast
from realtime.meter import Kind, Meters, Scope
from realtime.socket import Hub
from realtime.telemetry import MalformedReceived, Telemetry

TOPIC: Final = "phx:rates"
_MEMORY = 0.8  # how much of what was used before counts for what is used now
_MUCH, _LITTLE = 0.25, 0.05  # of what may be given out here: worth telling, not worth knowing
_TOLD_AT_ONCE, _KEPT, _LOOKED_AT_ONCE = 1_000, 10_000, 500
_FORGOTTEN_PERIODS = 3


class Used(Struct, frozen=True, array_like=True):
    """How much of one rate a node uses: 1.0 is all of it."""

    scope: Scope
    name: str
    kind: Kind
    part: float


class Told(Struct, frozen=True, array_like=True):
    """What one node uses."""

    node: str
    used: list[Used]


class _Rate:
    """What is known of one user's or address's rate that is much used, here or elsewhere."""

    __slots__ = ("busy", "others", "share")

    def __init__(self) -> None:
        self.busy = 0.0  # for which part of the time it was not full here
        self.share = 1.0  # what may be given out here
        self.others: dict[str, tuple[float, float]] = {}  # node: what it uses, when it said so

    def look(self, *, is_busy: bool, now: float, patience_s: float) -> None:
        """Take one more look, and move halfway to what the others leave."""
        self.busy = _MEMORY * self.busy + (1 - _MEMORY) * is_busy
        self.others = {
            node: told for node, told in self.others.items() if now - told[1] < patience_s
        }
        left = 1.0 - sum(part for part, _ in self.others.values())
        self.share += (max(left, 1 / (len(self.others) + 1)) - self.share) / 2

    def is_quiet(self) -> bool:
        """Say whether nothing is to be known of it any more."""
        return not self.others and self.busy < _LITTLE and self.share > 1 - 1e-3


_decoder = msgspec.msgpack.Decoder(Told)


class Shares:
    """One node's part in the rates that all nodes share. Time comes as an argument."""

    def __init__(self, node: str, meters: Meters, patience_s: float) -> None:
        self._node = node
        self._meters = meters
        self._patience_s = patience_s
        self._rates: dict[tuple[Scope, str, Kind], _Rate] = {}
        self._unseen: list[tuple[Scope, str]] = []

    def __len__(self) -> int:
        return len(self._rates)

    def share(self, scope: Scope, name: str, kind: Kind) -> float:
        """Return which part of a rate may be given out here."""
        rate = self._rates.get((scope, name, kind))
        return 1.0 if rate is None else rate.share

    def find(self, now: float, count: int) -> bool:
        """Look for rates that are in use among the next so many; say whether there are more."""
        if not self._unseen:
            self._unseen = self._meters.names()
        for _ in range(min(count, len(self._unseen))):
            scope, name = self._unseen.pop()
            for kind, bucket in self._meters.buckets(scope, name).items():
                if kind is None or bucket.is_full(now) or len(self._rates) >= _KEPT:
                    continue
                self._rates.setdefault((scope, name, kind), _Rate())
        return bool(self._unseen)

    def look(self, now: float) -> Told | None:
        """Set the shares anew; return what to tell the others, if anything is worth it."""
        used: list[Used] = []
        for key, rate in tuple(self._rates.items()):
            scope, name, kind = key
            bucket = self._meters.buckets(scope, name).get(kind)
            is_busy = bucket is not None and not bucket.is_full(now)
            rate.look(is_busy=is_busy, now=now, patience_s=self._patience_s)
            if rate.is_quiet():
                del self._rates[key]
                rate.share = 1.0
            if bucket is not None:
                bucket.scale(rate.share)
            if rate.busy >= _MUCH:
                used.append(Used(scope, name, kind, rate.busy * rate.share))
        most = nlargest(_TOLD_AT_ONCE, used, key=lambda each: each.part)
        return Told(self._node, most) if most else None

    def hear(self, told: Told, now: float) -> None:
        """Take in what another node uses."""
        if told.node == self._node:
            return
        for used in told.used:
            key = used.scope, used.name, used.kind
            rate = self._rates.get(key)
            if rate is None and len(self._rates) < _KEPT:
                rate = self._rates[key] = _Rate()
            if rate is not None:
                rate.others[told.node] = min(max(used.part, 0.0), 1.0), now


class Sharing:
    """Tells the other nodes, and hears them."""

    def __init__(
        self, node: str, meters: Meters, hub: Hub, telemetry: Telemetry, every_s: float
    ) -> None:
        self.shares = Shares(node, meters, every_s * _FORGOTTEN_PERIODS)
        self._hub = hub
        self._telemetry = telemetry
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None
        self._stop: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin."""
        self._stop = self._hub.subscribe(TOPIC, self._heard)
        self._task = asyncio.get_running_loop().create_task(self._live())

    def stop(self) -> None:
        """Tell and hear nothing more."""
        if self._task is not None and self._stop is not None:
            self._task.cancel()
            self._stop()
            self._task = self._stop = None

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # Not in step with anybody who goes by the clock.
            await asyncio.sleep(self._every_s * random.uniform(0.8, 1.2))  # noqa: S311
            while self.shares.find(loop.time(), _LOOKED_AT_ONCE):  # noqa: ASYNC110 - to let others
                await asyncio.sleep(0)
            told = self.shares.look(loop.time())
            if told is not None:
                await self._tell(told)

    async def _tell(self, told: Told) -> None:
        try:
            await self._hub.broadcast(TOPIC, "used", msgspec.msgpack.encode(told))
        except Refused:
            return  # nothing gets out; then everyone is alone with the whole rate

    def _heard(self, broadcast: Broadcast) -> None:
        try:
            told = _decoder.decode(bytes(broadcast.payload))
        except msgspec.DecodeError:
            self._telemetry.emit(MalformedReceived("no word of rates, between nodes"))
            return
        self.shares.hear(told, asyncio.get_running_loop().time())
