"""Which items tell one story, and which only sound alike."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.items import same_story
from server.items.stories import PERHAPS, SAME, WINDOW, Teller, merged, title_overlap

NOW = datetime(2026, 11, 20, tzinfo=UTC)
PAPER, POST = UUID(int=1), UUID(int=2)


def teller(
    *,
    source: UUID | None = PAPER,
    title: str | None = "River rises over the old bridge",
    kind: str = "ARTICLE",
    at: datetime = NOW,
) -> Teller:
    return Teller(UUID(int=9), kind, title, source, UUID(int=9), at)


@pytest.mark.parametrize(
    ("other", "similarity", "same"),
    [
        (teller(source=POST), SAME, True),
        (teller(source=POST, title="Quite another headline here"), SAME, True),
        (teller(source=POST), PERHAPS, True),
        (teller(source=POST, title="Quite another headline here"), PERHAPS, False),
        (teller(source=POST), PERHAPS - 0.01, False),
        # What one paper numbers or repeats is alike, and meant.
        (teller(source=PAPER), 1.0, False),
        (teller(source=None), 1.0, False),
        (teller(source=POST, kind="TWEET"), 1.0, False),
        (teller(source=POST, at=NOW + WINDOW + timedelta(minutes=1)), 1.0, False),
    ],
)
def test_a_story_is_one_of_several_sources_at_one_time(
    other: Teller, similarity: float, same: bool
) -> None:
    assert same_story(teller(), other, similarity) is same


def test_titles_are_compared_by_their_words() -> None:
    assert title_overlap("River rises, again!", "AGAIN: river rises") == 1.0
    assert title_overlap("Live", "Live") == 0.0
    assert title_overlap(None, "River rises again") == 0.0


def test_stories_that_are_the_same_become_the_oldest_of_them() -> None:
    one, two, three, four = (UUID(int=n) for n in range(1, 5))

    assert merged([(three, two), (four, three)]) == {three: two, four: two}
    assert merged([(one, two), (three, four), (two, four)]) == dict.fromkeys(
        (two, three, four), one
    )
    assert merged([(one, one)]) == {}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9))))
def test_every_pair_ends_in_one_story_and_no_other_joins(pairs: list[tuple[int, int]]) -> None:
    becomes = merged((UUID(int=one), UUID(int=other)) for one, other in pairs)

    def of(number: int) -> UUID:
        return becomes.get(UUID(int=number), UUID(int=number))

    assert all(of(one) == of(other) for one, other in pairs)
    assert all(becomes.get(new, new) == new for new in becomes.values())
    assert all(new < old for old, new in becomes.items())
