"""Which channel a topic belongs to."""

from collections.abc import Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Routes(Generic[T]):
    """Patterns in the order of their definition: exact, or a prefix with one `*` at its end."""

    def __init__(self, table: Mapping[str, T]) -> None:
        self._exact: dict[str, int] = {}
        self._prefixes: list[tuple[int, str]] = []
        self._rows = list(table.items())
        for place, pattern in enumerate(table):
            if "*" in pattern[:-1]:
                raise ValueError(f"{pattern!r}: a * may only stand at the end of a topic pattern")
            if pattern.endswith("*"):
                self._prefixes.append((place, pattern[:-1]))
            else:
                self._exact[pattern] = place

    def match(self, topic: str) -> tuple[str, T] | None:
        """Return the first pattern that fits `topic`, and what stands beside it."""
        exact = self._exact.get(topic)
        for place, prefix in self._prefixes:
            if exact is not None and exact < place:
                break
            if topic.startswith(prefix):
                return self._rows[place]
        return None if exact is None else self._rows[exact]
