"""Excerpts, and positions in an inbox."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.kernel.ids import new_id
from server.kernel.problems import CursorInvalid
from server.notifications.model import EXCERPT_LENGTH, excerpt_of, read_cursor, write_cursor

SECRET = "s" * 32


@given(st.text(max_size=400))
def test_an_excerpt_is_one_short_line(text: str) -> None:
    excerpt = excerpt_of(text)
    assert len(excerpt) <= EXCERPT_LENGTH
    assert len(excerpt.splitlines()) <= 1


def test_a_long_text_is_cut_at_a_word_and_a_long_word_anywhere() -> None:
    assert excerpt_of("word " * 60).endswith("word…")
    assert excerpt_of("x" * 300) == "x" * (EXCERPT_LENGTH - 1) + "…"


@given(st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_position_survives_to_the_microsecond(moment: datetime) -> None:
    owner, last = new_id(), new_id()
    cursor = write_cursor(SECRET, owner, (moment, last))
    assert len(cursor) <= 120
    assert read_cursor(SECRET, owner, cursor) == (moment, last)


def test_a_position_is_of_one_person() -> None:
    moment = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    cursor = write_cursor(SECRET, new_id(), (moment, new_id()))
    with pytest.raises(CursorInvalid):
        read_cursor(SECRET, new_id(), cursor)
    with pytest.raises(CursorInvalid):
        read_cursor(SECRET, new_id(), "AAAA")
