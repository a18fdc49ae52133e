"""Who asks for too much: buckets of each socket, and of each user and address it shares them with.

A message over a rate is refused with a time to come back; the first of a row of them comes with a
warning; a client that goes on regardless is closed. Nothing of this exists where no rate is set.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from msgspec import Struct

from realtime.limits import Limits
from realtime.message import Message
from realtime.rates import Bucket, Rates

Scope: TypeAlias = Literal["socket", "user", "address"]
Kind: TypeAlias = Literal["joins", "pushes", "presence", "bytes"]

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
        if rates.presence is not None:
            self.all["presence"] = Bucket(rates.presence)
        if rates.bytes is not None:
            self.all["bytes"] = Bucket(rates.bytes)


class Meter:
    """What one client may ask for. What a refused message took elsewhere is spent."""

    __slots__ = ("_buckets", "_crowds", "_meters", "_patience", "_warned")

    def __init__(self, meters: "Meters", buckets: list[_Buckets], patience: Bucket) -> None:
        self._meters = meters
        self._buckets = buckets
        self._patience = patience
        self._warned = False
        self._crowds = False  # has been warned of too much presence

    def lot(self, kind: Literal["bytes", "pushes"], amount: float, now: float) -> bool:
        """Take an amount from every bucket of a kind, or none where one would be half empty."""
        counted = [each.all[kind] for each in self._buckets if kind in each.all]
        for bucket in counted:
            used_s = max(bucket.full_at - now, 0.0) + amount * bucket.unit_s
            if used_s > bucket.burst_s / 2:
                return False
        for bucket in counted:
            bucket.take(amount, now)
        self._warned = False
        return True

    def ask(self, message: Message, size: int, now: float) -> Refusal | None:
        """Count a message; return what is wrong with it, if anything is."""
        return self._count(_kind(message), size, now)

    def push(self, size: int, now: float) -> Refusal | None:
        """Count a message for a channel."""
        return self._count("pushes", size, now)

    def be_present(self, now: float) -> Refusal | None:
        """Count a change of presence that a channel makes for the client."""
        for buckets in self._buckets:
            bucket = buckets.all.get("presence")
            if bucket is not None and (wait_s := bucket.take(1.0, now)):
                warns, self._crowds = not self._crowds, True
                closes = self._patience.take(1.0, now) > 0
                return Refusal(buckets.scope, "presence", wait_s, warns, closes, binding=True)
        self._crowds = False
        return None

    def release(self) -> None:
        """Take notice that the client is gone."""
        self._meters.release(self._buckets)

    def _count(self, kind: Kind | None, size: int, now: float) -> Refusal | None:
        for each in self._buckets:
            wait_s = 0.0
            over: Kind = "bytes"
            if (bucket := each.all.get("bytes")) is not None:
                wait_s = bucket.take(size, now)
            if not wait_s and (bucket := each.all.get(kind)) is not None:
                wait_s, over = bucket.take(1.0, now), kind or over
            if wait_s:
                warns, self._warned = not self._warned, True
                closes = self._patience.take(1.0, now) > 0
                return Refusal(each.scope, over, wait_s, warns, closes, kind is not None)
        self._warned = False
        return None


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

    def names(self) -> list[tuple[Scope, str]]:
        """Return the users and addresses that are known."""
        return list(self._shared)

    def buckets(self, scope: Scope, name: str) -> Mapping[Kind | None, Bucket]:
        """Return the buckets of a user or an address."""
        held = self._shared.get((scope, name))
        return {} if held is None else held.all

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
