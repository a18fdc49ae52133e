from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from server.kernel.ids import _Sequence, floor_of, moment_of, new_id

MOMENTS = st.datetimes(
    min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - Hypothesis wants its bounds naive
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def test_ids_are_version_7_and_variant_rfc_4122() -> None:
    made = new_id()

    assert made.version == 7
    assert made.variant == UUID(int=2**63).variant or made.variant.startswith("specified in RFC")


def test_ids_of_one_process_never_go_back() -> None:
    made = [new_id() for _ in range(20_000)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)


@given(st.lists(st.integers(min_value=0, max_value=50), min_size=1, max_size=300))
def test_a_sequence_grows_even_when_the_clock_stands_or_steps_back(steps: list[int]) -> None:
    sequence = _Sequence()

    taken = [sequence.next(1_000 + step) for step in steps]

    assert taken == sorted(set(taken))


def test_a_full_counter_borrows_the_next_millisecond() -> None:
    sequence = _Sequence()

    taken = [sequence.next(7) for _ in range(5_000)]

    assert taken == sorted(set(taken))
    assert taken[-1][0] <= 7 + 2


@given(MOMENTS)
def test_the_floor_of_a_moment_is_below_every_id_of_it(moment: datetime) -> None:
    floor = floor_of(moment)

    assert floor.version == 7
    assert moment_of(floor) <= moment < moment_of(floor) + timedelta(milliseconds=1)
    assert floor_of(moment) <= floor_of(moment + timedelta(milliseconds=1))
