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
    presence: Rate | None = None  # what channels track and update for a client
    bytes: Rate | None = None


class Bucket:
    """What is left of a rate. It keeps only when it will be full again."""

    __slots__ = ("_whole_unit_s", "burst_s", "full_at", "unit_s")

    def __init__(self, rate: Rate) -> None:
        self.unit_s = self._whole_unit_s = 1.0 / rate.per_s
        self.burst_s = rate.burst / rate.per_s
        self.full_at = 0.0

    def take(self, amount: float, now: float) -> float:
        """Take and return 0, or take nothing and return in how many seconds to ask again.

        More than the burst is given by a full bucket, which is empty the longer for it.
        """
        cost_s = amount * self.unit_s
        full_at = max(self.full_at, now)
        wait_s = full_at - now + min(cost_s, self.burst_s) - self.burst_s
        if wait_s > 0:
            return wait_s
        self.full_at = full_at + cost_s
        return 0.0

    def is_full(self, now: float) -> bool:
        """Say whether nothing was taken lately."""
        return self.full_at <= now

    def scale(self, part: float) -> None:
        """Give out this part of the rate and of the burst from now on."""
        self.unit_s = self._whole_unit_s / part
