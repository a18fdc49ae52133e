"""Who is where, on every node: an add-wins set that replicas merge in any order.

Every replica numbers what it does: 1, 2, 3. An entry is known by its dot, the replica that added
it and the number that the addition got; only that replica takes it away again. What a replica has
said up to a number is therefore one and the same set wherever it is known, and knowing of a
replica is one number: its clock. Merging what is older than that changes nothing, merging what
does not connect to it is refused (a gap), and so all orders and repetitions end in the same set.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct


class Entry(Struct, frozen=True, array_like=True):
    """One presence: somebody's `key` on a topic, with what is told of it."""

    topic: str
    key: str
    ref: str
    meta: dict[str, Any]


class Delta(Struct, frozen=True, array_like=True):
    """What a replica did between two of its numbers, or all that it has where `since` is 0."""

    replica: str
    since: int
    upto: int
    added: list[tuple[int, Entry]]
    removed: list[int]


class Change(Struct):
    """What became visible and what vanished."""

    joins: list[Entry]
    leaves: list[Entry]


class Gap(Struct, frozen=True):
    """A delta that does not connect: everything after `known` is needed first."""

    replica: str
    known: int


class _Replica:
    """What is known of one replica."""

    __slots__ = ("clock", "entries", "visible")

    def __init__(self) -> None:
        self.clock = 0
        self.entries: dict[int, Entry] = {}
        self.visible = True


class State:
    """The presences of all replicas as one of them knows them. No clock, no loop, no network."""

    def __init__(self, replica: str, *, kept: int = 1_000) -> None:
        self.replica = replica
        self._own = _Replica()
        self._replicas = {replica: self._own}
        self._topics: dict[str, dict[tuple[str, int], Entry]] = {}
        self._done: deque[tuple[int, int, bool]] = deque(maxlen=kept)  # number, dot, added

    @property
    def clock(self) -> int:
        """How much this replica has done."""
        return self._own.clock

    def clocks(self) -> dict[str, int]:
        """Return how much is known of every replica."""
        return {name: replica.clock for name, replica in self._replicas.items()}

    def on(self, topic: str) -> Iterator[Entry]:
        """Return the visible presences of a topic, those of one replica in the order they came."""
        return iter(self._topics.get(topic, {}).values())

    def topics(self) -> Iterable[str]:
        """Return the topics on which somebody is visible."""
        return self._topics.keys()

    # What this replica does.

    def add(self, entry: Entry) -> int:
        """Add a presence and return its dot's number."""
        dot = self._own.clock = self._own.clock + 1
        self._own.entries[dot] = entry
        self._done.append((dot, dot, True))
        self._show(self.replica, dot, entry)
        return dot

    def remove(self, dot: int) -> Entry | None:
        """Take one of its own presences away."""
        entry = self._own.entries.pop(dot, None)
        if entry is not None:
            self._own.clock += 1
            self._done.append((self._own.clock, dot, False))
            self._hide(self.replica, dot, entry)
        return entry

    def since(self, number: int) -> Delta:
        """Return what this replica did after a number; all that it has if that is long ago."""
        oldest = self._done[0][0] if self._done else self.clock + 1
        if number == 0 or number + 1 < oldest:
            return Delta(self.replica, 0, self.clock, list(self._own.entries.items()), [])
        added: list[tuple[int, Entry]] = []
        removed: list[int] = []
        for done, dot, was_added in self._done:
            if done <= number:
                continue
            if not was_added:
                removed.append(dot)
            elif (entry := self._own.entries.get(dot)) is not None:
                added.append((dot, entry))
        return Delta(self.replica, number, self.clock, added, removed)

    # What others did.

    def merge(self, delta: Delta) -> Change | Gap:
        """Take over what another replica did; repeating it changes nothing."""
        change = Change([], [])
        if delta.replica == self.replica:
            return change
        theirs = self._replicas.setdefault(delta.replica, _Replica())
        if delta.upto <= theirs.clock:
            return change
        if delta.since > theirs.clock:
            return Gap(delta.replica, theirs.clock)
        removed: Iterable[int] = delta.removed
        if delta.since == 0:
            removed = theirs.entries.keys() - {dot for dot, _ in delta.added}
        for dot in sorted(removed):
            self._lose(delta.replica, theirs, dot, change)
        for dot, entry in delta.added:
            if dot > theirs.clock:
                self._learn(delta.replica, theirs, dot, entry, change)
        theirs.clock = delta.upto
        return change

    def down(self, name: str) -> Change:
        """Hide what a replica has that is not heard of any more."""
        replica = self._replicas.get(name)
        if replica is None or not replica.visible or replica is self._own:
            return Change([], [])
        replica.visible = False
        for dot, entry in replica.entries.items():
            self._hide(name, dot, entry)
        return Change([], list(replica.entries.values()))

    def up(self, name: str) -> Change:
        """Show again what a replica has that is heard of."""
        replica = self._replicas.setdefault(name, _Replica())
        if replica.visible:
            return Change([], [])
        replica.visible = True
        for dot, entry in replica.entries.items():
            self._show(name, dot, entry)
        return Change(list(replica.entries.values()), [])

    def forget(self, name: str) -> Change:
        """Let go of a replica for good; should it come back, it tells everything again."""
        change = self.down(name)
        if name != self.replica:
            self._replicas.pop(name, None)
        return change

    # Inside.

    def _learn(self, name: str, theirs: _Replica, dot: int, entry: Entry, change: Change) -> None:
        theirs.entries[dot] = entry
        if theirs.visible:
            self._show(name, dot, entry)
            change.joins.append(entry)

    def _lose(self, name: str, theirs: _Replica, dot: int, change: Change) -> None:
        entry = theirs.entries.pop(dot, None)
        if entry is not None and theirs.visible:
            self._hide(name, dot, entry)
            change.leaves.append(entry)

    def _show(self, name: str, dot: int, entry: Entry) -> None:
        self._topics.setdefault(entry.topic, {})[name, dot] = entry

    def _hide(self, name: str, dot: int, entry: Entry) -> None:
        here = self._topics[entry.topic]
        del here[name, dot]
        if not here:
            del self._topics[entry.topic]
