"""When an item's counters may move: at once, and then not before they have rested."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from server.engagement.model import Pace
from server.kernel.ids import new_id

A, B = new_id(), new_id()


def test_an_item_rests_after_it_moved_and_no_longer() -> None:
    pace = Pace(rest=0.1)
    assert not pace.cooling(5.0)
    assert pace.next_after(5.0) is None
    pace.moved([A], 5.0)
    assert set(pace.cooling(5.05)) == {A}
    pace.moved([B], 5.06)
    assert set(pace.cooling(5.09)) == {A, B}
    assert set(pace.cooling(5.1)) == {B}
    assert pace.next_after(5.1) is not None
    assert not pace.cooling(5.2)


def test_who_moves_again_rests_again() -> None:
    pace = Pace(rest=1.0)
    pace.moved([A, B], 0.0)
    pace.moved([A], 0.5)
    assert set(pace.cooling(1.2)) == {A}
    assert pace.next_after(1.2) == 1.5 - 1.2


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.floats(0, 0.5)), max_size=60))
def test_no_item_moves_twice_within_its_rest(steps: list[tuple[UUID, float]]) -> None:
    pace, now = Pace(rest=0.1), 0.0
    last: dict[UUID, float] = {}
    for item_id, pause in steps:
        now += pause
        if item_id in pace.cooling(now):
            assert now - last[item_id] < 0.1
            continue
        assert now - last.get(item_id, -1.0) >= 0.1 - 1e-9
        pace.moved([item_id], now)
        last[item_id] = now
