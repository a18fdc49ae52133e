"""The arithmetic of rate limits, and the table that stands in for Redis."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from server.kernel.limits import Ask, LocalTable, Quota, decide


class Decided(Struct, frozen=True):
    admitted: bool
    due_ms: float
    wait_ms: float


def ask(rate: Quota, who: str = "ada") -> Ask:
    return Ask("write", who, rate)


def step(due: float, now: float, rate: Quota) -> Decided:
    """Decide about one request on one key, and say what is kept for it."""
    decided = decide([ask(rate)], [due], now)
    ahead = decided.ahead_ms[0]
    wait = max(ahead - rate.seconds * 1000, 0.0)
    return Decided(decided.admitted, now + ahead if decided.admitted else due, wait)


def test_a_burst_is_let_through_and_then_one_at_a_time() -> None:
    rate, due, answers = Quota(3, 30), 0.0, []
    for now in (0, 0, 0, 0, 9_999, 10_000, 10_001, 20_000):
        decided = step(due, now, rate)
        due = decided.due_ms
        answers.append(decided.admitted)
    assert answers == [True, True, True, False, False, True, False, True]


def test_a_refusal_says_how_long_to_wait_and_costs_nothing() -> None:
    rate = Quota(1, 10)
    first = step(0, 1_000, rate)
    refused = step(first.due_ms, 4_000, rate)
    assert (refused.admitted, refused.wait_ms) == (False, 7_000)
    assert step(refused.due_ms, 4_000 + refused.wait_ms, rate).admitted


@given(
    count=st.integers(1, 20),
    seconds=st.integers(1, 600),
    pauses=st.lists(st.integers(0, 60_000), max_size=120),
)
def test_no_window_admits_more_than_a_burst_and_what_its_length_allows(
    count: int, seconds: int, pauses: list[int]
) -> None:
    rate, due, now = Quota(count, float(seconds)), 0.0, 0
    admitted: list[int] = []
    for pause in pauses:
        now += pause
        decided = step(due, now, rate)
        due = decided.due_ms
        if decided.admitted:
            admitted.append(now)
    interval = seconds * 1000 / count
    for start, first in enumerate(admitted):
        for number, last in enumerate(admitted[start:], 1):
            assert number <= count + (last - first) / interval + 1e-6


@given(pauses=st.lists(st.integers(0, 60_000), max_size=60))
def test_whoever_keeps_to_the_rate_is_never_refused(pauses: list[int]) -> None:
    rate, due, now = Quota(7, 70), 0.0, 0
    for pause in pauses:
        now += max(pause, 10_000)
        decided = step(due, now, rate)
        due = decided.due_ms
        assert decided.admitted


def test_who_asks_of_two_limits_is_let_in_by_both_or_counted_by_neither() -> None:
    table, wide, narrow = LocalTable(), Quota(5, 60), Quota(1, 60)
    both = [ask(wide, "address"), ask(narrow, "person")]
    assert table.admit(both, 0).admitted
    refused = table.admit(both, 1)
    assert not refused.admitted
    # The wide one was asked once: four are left of five.
    left = [table.admit([ask(wide, "address")], 2).admitted for _ in range(5)]
    assert left == [True, True, True, True, False]


def test_the_local_table_is_bounded_and_forgets_who_came_longest_ago() -> None:
    table, rate = LocalTable(most=2), Quota(1, 60)
    assert table.admit([ask(rate, "a")], 0).admitted
    assert table.admit([ask(rate, "b")], 0).admitted
    assert not table.admit([ask(rate, "a")], 1).admitted
    assert table.admit([ask(rate, "c")], 2).admitted
    assert not table.admit([ask(rate, "a")], 3).admitted
    assert table.admit([ask(rate, "b")], 4).admitted
