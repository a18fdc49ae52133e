"""Who is writing: told at once, then seldom, and over when they are not heard any more."""

import heapq
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from server.comments.typing import (
    LASTS_SECONDS,
    MOST_WRITERS,
    NAMED,
    TOLD_SECONDS,
    Typing,
    Writer,
    Writing,
)
from server.kernel.ids import new_id

ITEM = new_id()
PEOPLE = [Writer(new_id(), f"user_{number}", f"User {number}") for number in range(60)]


class Clock:
    """A timer whose time passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self._waiting: list[tuple[float, int, Callable[..., Any], tuple[Any, ...]]] = []
        self._count = 0

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> None:
        self._count += 1
        heapq.heappush(self._waiting, (self.now + delay, self._count, callback, args))

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self._waiting and self._waiting[0][0] <= until:
            self.now, _, callback, args = heapq.heappop(self._waiting)
            callback(*args)
        self.now = until


class Told:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.times: list[tuple[float, int]] = []

    def __call__(self, item_id: UUID, writing: Writing) -> None:
        assert item_id == ITEM
        self.times.append((self._clock.now, writing.count))


def test_the_first_word_is_told_at_once_and_ends_by_itself() -> None:
    clock = Clock()
    typing = Typing(clock, told := Told(clock))
    typing.hear(ITEM, PEOPLE[0], on=True)
    assert told.times == [(0.0, 1)]
    clock.run(4)
    typing.hear(ITEM, PEOPLE[0], on=True)
    clock.run(5)
    assert told.times == [(0.0, 1)]
    clock.run(60)
    assert told.times == [(0.0, 1), (4 + LASTS_SECONDS, 0)]
    assert typing.now(ITEM) == Writing([], 0)


def test_who_stops_is_gone_before_the_time_is_over() -> None:
    clock = Clock()
    typing = Typing(clock, told := Told(clock))
    typing.hear(ITEM, PEOPLE[0], on=True)
    clock.run(3)
    typing.hear(ITEM, PEOPLE[0], on=False)
    typing.hear(ITEM, PEOPLE[0], on=False)
    assert told.times == [(0.0, 1), (3.0, 0)]


def test_many_are_told_together_some_by_name() -> None:
    clock = Clock()
    typing = Typing(clock, told := Told(clock))
    for person in PEOPLE:
        typing.hear(ITEM, person, on=True)
    assert told.times == [(0.0, 1)]
    clock.run(TOLD_SECONDS)
    assert told.times[-1] == (TOLD_SECONDS, MOST_WRITERS)
    assert len(typing.now(ITEM).people) == NAMED
    clock.run(60)
    assert told.times[-1][1] == 0
    assert len(told.times) <= 4


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.floats(0, 8)), max_size=40))
def test_whatever_is_heard_it_is_told_seldom_truly_and_ends(
    words: list[tuple[int, bool, float]],
) -> None:
    clock = Clock()
    typing = Typing(clock, told := Told(clock))
    heard: dict[int, float] = {}
    for person, on, rest in words:
        typing.hear(ITEM, PEOPLE[person], on=on)
        heard.pop(person, None)
        if on:
            heard[person] = clock.now
        clock.run(rest)
        assert typing.now(ITEM).count == sum(
            clock.now - at < LASTS_SECONDS for at in heard.values()
        )
    clock.run(100)
    gaps = [later - sooner for (sooner, _), (later, _) in pairwise(told.times)]
    assert all(gap >= TOLD_SECONDS - 1e-6 for gap in gaps)
    assert typing.now(ITEM) == Writing([], 0)
    assert not told.times or told.times[-1][1] == 0


def test_an_item_that_nobody_has_open_is_forgotten() -> None:
    clock = Clock()
    typing = Typing(clock, Told(clock))
    typing.hear(ITEM, PEOPLE[0], on=True)
    typing.forget(ITEM)
    clock.run(100)
    assert typing.now(ITEM) == Writing([], 0)
