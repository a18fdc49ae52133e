"""The shapes that the official client's Presence reads, and diffs joined until they are sent."""

from collections.abc import Iterable
from typing import Any, TypeAlias

from realtime.presence.state import Change, Entry

# {key: {"metas": [{…, "phx_ref": "…"}], …what fetch added}}
Presences: TypeAlias = dict[str, dict[str, Any]]


def shaped(entries: Iterable[Entry]) -> Presences:
    """Return entries by their keys; whoever is there twice has two metas."""
    presences: Presences = {}
    for entry in entries:
        presences.setdefault(entry.key, {"metas": []})["metas"].append(entry.meta)
    return presences


class Diff:
    """What to tell of one topic: each presence at most once."""

    __slots__ = ("_joins", "_leaves")

    def __init__(self) -> None:
        self._joins: dict[str, Entry] = {}
        self._leaves: dict[str, Entry] = {}

    def add(self, change: Change) -> None:
        """Join a change to what is there; what came and went meanwhile is not told."""
        for entry in change.leaves:
            if self._joins.pop(entry.ref, None) is None:
                self._leaves[entry.ref] = entry
        for entry in change.joins:
            if self._leaves.pop(entry.ref, None) is None:
                self._joins[entry.ref] = entry

    def __bool__(self) -> bool:
        return bool(self._joins or self._leaves)

    def joins(self) -> Presences:
        """Return who came."""
        return shaped(self._joins.values())

    def leaves(self) -> Presences:
        """Return who went."""
        return shaped(self._leaves.values())


class Pending:
    """The diffs of all topics that wait to be sent."""

    def __init__(self) -> None:
        self._diffs: dict[str, Diff] = {}

    def add(self, change: Change) -> None:
        """Join a change to the diffs of its topics."""
        for entry in change.leaves:
            self._of(entry).add(Change([], [entry]))
        for entry in change.joins:
            self._of(entry).add(Change([entry], []))

    def __bool__(self) -> bool:
        return bool(self._diffs)

    def take(self) -> dict[str, Diff]:
        """Hand over the diffs that say something."""
        diffs, self._diffs = self._diffs, {}
        return {topic: diff for topic, diff in diffs.items() if diff}

    def _of(self, entry: Entry) -> Diff:
        return self._diffs.setdefault(entry.topic, Diff())
