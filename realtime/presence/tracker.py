"""What a replica says when, and what it makes of what others say. Time comes as an argument."""

from msgspec import Struct

from realtime.presence.messages import Ask, Goodbye, Heartbeat, Said, Transfer
from realtime.presence.state import Change, Delta, Gap, State


class Pace(Struct, frozen=True, kw_only=True):
    """The times of Phoenix.Tracker."""

    broadcast_period_s: float = 1.5
    max_silent_periods: int = 10
    down_period_s: float = 30.0
    permdown_period_s: float = 1_200.0
    kept: int = 1_000  # of what was done lately; who needs more gets everything


class Tracker:
    """One replica among others."""

    def __init__(self, replica: str, pace: Pace) -> None:
        self.state = State(replica, kept=pace.kept)
        self.replica = replica
        self._pace = pace
        self._heard: dict[str, float] = {}
        self._asked: dict[str, float] = {}
        self._told = 0
        self._quiet = 0

    def replicas(self) -> dict[str, float]:
        """Return the others, and when each was heard of last."""
        return dict(self._heard)

    def hello(self) -> Heartbeat:
        """Return what to say at the beginning, and after a gap."""
        return Heartbeat(self.replica, self.state.clock, hello=True)

    def beat(self) -> Heartbeat | None:
        """Return what to say at the end of a period; `told` when it got out."""
        if self.state.clock > self._told:
            return Heartbeat(self.replica, self.state.clock, self.state.since(self._told))
        self._quiet += 1
        if self._quiet < self._pace.max_silent_periods:
            return None
        return Heartbeat(self.replica, self.state.clock)

    def told(self, beat: Heartbeat) -> None:
        """Take notice that a heartbeat got out."""
        self._quiet = 0
        if beat.delta is not None:
            self._told = max(self._told, beat.clock)

    def look(self, now: float, *, deaf: bool) -> list[Change]:
        """Hide the replicas that are silent, and let go of those silent for long.

        Who is cut off hears nobody, and takes that for no sign of anything.
        """
        if deaf:
            self._heard = dict.fromkeys(self._heard, now)
            return []
        changes = []
        for name, heard in tuple(self._heard.items()):
            silent_s = now - heard
            if silent_s >= self._pace.permdown_period_s:
                changes.append(self._forget(name))
            elif silent_s >= self._pace.down_period_s:
                changes.append(self.state.down(name))
        return changes

    def hear(self, said: Said, now: float) -> tuple[list[Said], list[Change]]:
        """Take in what a replica said; return what to answer, and what changed."""
        match said:
            case Heartbeat(replica) if replica != self.replica:
                return self._hear_beat(said, now)
            case Ask(self.replica, asker, since):
                return [Transfer(asker, self.state.since(since))], []
            case Transfer(self.replica, delta) if delta.replica in self._heard:
                return self._take(delta, now)
            case Goodbye(replica) if replica != self.replica:
                return [], [self._forget(replica)]
            case _:
                return [], []

    def _hear_beat(self, beat: Heartbeat, now: float) -> tuple[list[Said], list[Change]]:
        self._heard[beat.replica] = now
        changes = [self.state.up(beat.replica)]
        says: list[Said] = []
        if beat.delta is not None:
            says, more = self._take(beat.delta, now)
            changes += more
        elif beat.clock > self.state.clocks()[beat.replica]:
            says = self._ask(beat.replica, now)
        if beat.hello:
            says.append(Heartbeat(self.replica, self.state.clock))
        return says, changes

    def _take(self, delta: Delta, now: float) -> tuple[list[Said], list[Change]]:
        result = self.state.merge(delta)
        if isinstance(result, Gap):
            return self._ask(result.replica, now), []
        self._asked.pop(delta.replica, None)
        return [], [result]

    def _ask(self, replica: str, now: float) -> list[Said]:
        """Ask for what is missing, once a period."""
        asked = self._asked.get(replica)
        if asked is not None and now - asked < self._pace.broadcast_period_s:
            return []
        self._asked[replica] = now
        return [Ask(replica, self.replica, self.state.clocks()[replica])]

    def _forget(self, name: str) -> Change:
        self._heard.pop(name, None)
        self._asked.pop(name, None)
        return self.state.forget(name)
