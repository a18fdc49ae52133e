"""Who is writing under an item just now: heard again and again, told seldom, stored nowhere."""

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from msgspec import Struct
from prometheus_client import Counter

# Whoever is not heard for so long has stopped; clients say it again every few seconds.
LASTS_SECONDS = 6.0
# As often as one screen's word is passed on.
SAID_AGAIN_SECONDS = 2.0
TOLD_SECONDS = 1.0
MOST_WRITERS = 50
NAMED = 5

unheard = Counter("typing_unheard_total", "People not counted as writing: too many were.")

Value = TypeVar("Value")


class Timer(Protocol):
    """The part of an event loop that tells the time and calls later."""

    def time(self) -> float:
        """Give the time in seconds."""
        ...

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> Any:
        """Call after so many seconds."""
        ...


class Writer(Struct, frozen=True):
    """A person who is writing."""

    id: UUID
    username: str
    name: str


class Writing(Struct, frozen=True):
    """Who is writing under an item: some of them by name, and how many there are."""

    people: list[Writer]
    count: int


class Paced(Generic[Value]):
    """Tells the newest value of each item: at once, and then at most once in a while."""

    def __init__(self, timer: Timer, seconds: float, tell: Callable[[UUID, Value], None]) -> None:
        self._timer = timer
        self._seconds = seconds
        self._tell = tell
        self._resting: set[UUID] = set()
        self._owed: dict[UUID, Value] = {}

    def note(self, item_id: UUID, value: Value) -> None:
        """Tell a value, now or when the item has rested."""
        if item_id in self._resting:
            self._owed[item_id] = value
            return
        self._resting.add(item_id)
        self._timer.call_later(self._seconds, self._wake, item_id)
        self._tell(item_id, value)

    def _wake(self, item_id: UUID) -> None:
        self._resting.discard(item_id)
        if item_id in self._owed:
            self.note(item_id, self._owed.pop(item_id))


class Typing:
    """Who is writing, of all items that are open on this node."""

    def __init__(self, timer: Timer, tell: Callable[[UUID, Writing], None]) -> None:
        self._timer = timer
        self._told = Paced(timer, TOLD_SECONDS, tell)
        self._writers: dict[UUID, dict[UUID, tuple[Writer, float]]] = {}
        self._watched: set[UUID] = set()

    def hear(self, item_id: UUID, who: Writer, *, on: bool) -> None:
        """Hear that a person is writing, or has stopped."""
        writers = self._writers.setdefault(item_id, {})
        known = who.id in writers
        if not on:
            writers.pop(who.id, None)
        elif known or len(writers) < MOST_WRITERS:
            writers[who.id] = (who, self._timer.time() + LASTS_SECONDS)
            self._watch(item_id)
        else:
            unheard.inc()
            return
        if known != on:
            self._show(item_id)

    def now(self, item_id: UUID) -> Writing:
        """Say who is writing under an item."""
        writers = [who for who, _ in self._writers.get(item_id, {}).values()]
        return Writing(writers[:NAMED], len(writers))

    def forget(self, item_id: UUID) -> None:
        """Nobody has the item open any more."""
        self._writers.pop(item_id, None)

    def _show(self, item_id: UUID) -> None:
        self._told.note(item_id, self.now(item_id))
        if not self._writers.get(item_id):
            self._writers.pop(item_id, None)

    def _watch(self, item_id: UUID) -> None:
        if item_id in self._watched:
            return
        self._watched.add(item_id)
        ends = min(until for _, until in self._writers[item_id].values())
        self._timer.call_later(max(0.0, ends - self._timer.time()), self._look, item_id)

    def _look(self, item_id: UUID) -> None:
        self._watched.discard(item_id)
        writers = self._writers.get(item_id, {})
        ended = [each for each, (_, until) in writers.items() if until <= self._timer.time()]
        for each in ended:
            del writers[each]
        if writers:
            self._watch(item_id)
        if ended:
            self._show(item_id)
