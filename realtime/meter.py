"""Who asks for too much: buckets of each socket, and of each user and address it shares them with.

A message over a rate is refused with a time to come back; the first of a row of them comes with a
warning; a client that goes on regardless is closed. Nothing of this exists where no rate is set.
"""

from typing import Literal, TypeAlias

from msgspec import Struct

from realtime.limits import Limits
from realtime.message import Message
from realtime.rates import Bucket, Rates

Scope: TypeAlias = Literal["socket", "user", "address"]
Kind: TypeAlias = Literal["joins", "pushes", "bytes"]

_KEPT = 10_000  # buckets that nobody holds, so that coming back gives nobody a full one


class Refusal(Struct, frozen=True):
    """What was too much."""

    scope: Scope
    kind: Kind
    retry_after_s: float
    warns: bool  # the first since something was allowed
    closes: bool  # one too many
    binding: bool  # heartbeats and leaves are counted and let through


class _Buckets:
    """The buckets of one socket, user or address."""

    __slots__ = ("all", "holders", "scope")

    def __init__(self, scope: Scope, rates: Rates) -> None:
        self.scope = scope
        self.holders = 0
        self.all: dict[Kind | None, Bucket] = {}
        if rates.joins is not None:
            self.all["joins"] = Bucket(rates.joins)
        if rates.pushes is not None:
            self.all["pushes"] = Bucket(rates.pushes)
        if rates.bytes is not None:
            self.all["bytes"] = Bucket(rates.bytes)


class Meter:
    """What one client may ask for. What a refused message took elsewhere is spent."""

    __slots__ = ("_buckets", "_meters", "_patience", "_warned")

    def __init__(self, meters: "Meters", buckets: list[_Buckets], patience: Bucket) -> None:
        self._meters = meters
        self._buckets = buckets
        self._patience = patience
        self._warned = False

    def ask(self, message: Message, size: int, now: float) -> Refusal | None:
        """Count a message; return what is wrong with it, if anything is."""
        kind = _kind(message)
        for buckets in self._buckets:  # without a call more than there must be: it is every message
            wait_s = 0.0
            over: Kind = "bytes"
            if (bucket := buckets.all.get("bytes")) is not None:
                wait_s = bucket.take(size, now)
            if not wait_s and (bucket := buckets.all.get(kind)) is not None:
                wait_s, over = bucket.take(1.0, now), kind or over
            if wait_s:
                warns, self._warned = not self._warned, True
                closes = self._patience.take(1.0, now) > 0
                binding = kind is not None
                return Refusal(buckets.scope, over, wait_s, warns, closes, binding)
        self._warned = False
        return None

    def release(self) -> None:
        """Take notice that the client is gone."""
        self._meters.release(self._buckets)


class Meters:
    """The meters of one node."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._shared: dict[tuple[Scope, str], _Buckets] = {}
        self._kept: dict[tuple[Scope, str], None] = {}  # held by nobody, the longest first
        self._keys: dict[_Buckets, tuple[Scope, str]] = {}

    def __len__(self) -> int:
        return len(self._shared)

    def of(self, user: str | None, address: str | None) -> Meter | None:
        """Return the meter of a client, or nothing where nothing is limited."""
        limits = self._limits
        buckets: list[_Buckets] = []
        if limits.socket_rates is not None:
            buckets.append(_Buckets("socket", limits.socket_rates))
        if limits.user_rates is not None and user is not None:
            buckets.append(self._hold("user", user, limits.user_rates))
        if limits.address_rates is not None and address is not None:
            buckets.append(self._hold("address", address, limits.address_rates))
        return Meter(self, buckets, Bucket(limits.refusals)) if buckets else None

    def release(self, buckets: list[_Buckets]) -> None:
        """Let go of what a client held; the oldest that nobody holds are forgotten."""
        for each in buckets:
            key = self._keys.get(each)
            if key is None:
                continue
            each.holders -= 1
            if not each.holders:
                self._kept[key] = None
        while len(self._kept) > _KEPT:
            oldest = next(iter(self._kept))
            del self._kept[oldest]
            del self._keys[self._shared.pop(oldest)]

    def _hold(self, scope: Scope, name: str, rates: Rates) -> _Buckets:
        key = scope, name
        held = self._shared.get(key)
        if held is None:
            held = self._shared[key] = _Buckets(scope, rates)
            self._keys[held] = key
        self._kept.pop(key, None)
        held.holders += 1
        return held


def _kind(message: Message) -> Kind | None:
    if message.event == "phx_join":
        return "joins"
    if message.event == "phx_leave" or message.topic == "phoenix":
        return None
    return "pushes"
