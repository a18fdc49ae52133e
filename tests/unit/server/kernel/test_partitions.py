from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from server.kernel.ids import floor_of
from server.kernel.partitions import after, bounds, month_of, statements

MOMENTS = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(MOMENTS)
def test_an_id_of_a_moment_falls_into_the_partition_of_its_month(moment: datetime) -> None:
    low, high = bounds(month_of(moment))

    assert low <= floor_of(moment) < high


@given(MOMENTS)
def test_months_touch_each_other_without_gap_or_overlap(moment: datetime) -> None:
    month = month_of(moment)

    assert bounds(month)[1] == bounds(after(month))[0]


def test_december_is_followed_by_january() -> None:
    assert after(date(2026, 12, 1)) == date(2027, 1, 1)
    assert after(date(2026, 11, 1), 14) == date(2028, 1, 1)


def test_a_partition_is_made_beside_its_parent_and_then_attached() -> None:
    create, attach = statements("content", "items", date(2026, 11, 1))

    assert create == "create table content.items_2026_11 (like content.items including all)"
    assert attach.startswith("alter table content.items attach partition content.items_2026_11")
    assert "from ('01a19467-e800-7000-8000-000000000000')" in attach
