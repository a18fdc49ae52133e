"""How much of something there may be in a time: token buckets, told the time by who asks."""

from msgspec import Struct


class Rate(Struct, frozen=True):
    """So much a second, and so much at once after a while of less."""

    per_s: float
    burst: float

    def __post_init__(self) -> None:
        if self.per_s <= 0 or self.burst <= 0:
            raise ValueError(f"a rate is more than nothing: {self.per_s} a second, {self.burst}")


class Rates(Struct, frozen=True, kw_only=True):
    """What clients may ask for; what is not named here is unlimited."""

    joins: Rate | None = None
    pushes: Rate | None = None
    bytes: Rate | None = None


class Bucket:
    """What is left of a rate. It keeps only when it will be full again."""

    __slots__ = ("_burst_s", "_full_at", "_per_s")

    def __init__(self, rate: Rate) -> None:
        self._per_s = rate.per_s
        self._burst_s = rate.burst / rate.per_s
        self._full_at = 0.0

    def take(self, amount: float, now: float) -> float:
        """Take and return 0, or take nothing and return in how many seconds to ask again.

        More than the burst is given by a full bucket, which is empty the longer for it.
        """
        cost_s = amount / self._per_s
        full_at = self._full_at
        if full_at < now:  # noqa: PLR1730 - max() takes longer than all the rest
            full_at = now
        if full_at - now + cost_s <= self._burst_s:  # most often; what follows says the same
            self._full_at = full_at + cost_s
            return 0.0
        wait_s = full_at - now + min(cost_s, self._burst_s) - self._burst_s
        if wait_s > 0:
            return wait_s
        self._full_at = full_at + cost_s
        return 0.0
