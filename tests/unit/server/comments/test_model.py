"""What a comment may say, and where its pages begin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.comments.model import (
    LONGEST,
    check_body,
    html_of,
    length_of,
    read_cursor,
    write_cursor,
)
from server.kernel.ids import new_id
from server.kernel.problems import CursorInvalid, Malformed


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("plain", 5),
        ("cafe\u0301", 4),
        ("\U0001f469\u200d\U0001f52c", 2),
        ("\u2764\ufe0f", 1),
        ("", 0),
    ],
)
def test_length_is_what_a_reader_counts(text: str, length: int) -> None:
    assert length_of(text) == length


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  hello \n", "hello"),
        ("two\r\nlines", "two\nlines"),
        ("a\x00b\x1bc", "abc"),
        ("cafe\u0301", "caf\u00e9"),
        ("x" * LONGEST, "x" * LONGEST),
    ],
)
def test_what_is_kept_of_a_text(given: str, kept: str) -> None:
    assert check_body(given) == kept


@pytest.mark.parametrize("given", ["", " ", "\n\t", "x" * (LONGEST + 1), "\u200d", "\u0301" * 3])
def test_what_is_no_comment(given: str) -> None:
    with pytest.raises(Malformed):
        check_body(given)


@given(st.text(max_size=300))
def test_no_text_becomes_markup(text: str) -> None:
    html = html_of(text)
    for tag in ("<p>", "</p>", "<br>"):
        html = html.replace(tag, "")
    assert "<" not in html
    assert ">" not in html


def test_a_cursor_is_of_one_list_and_of_one_secret() -> None:
    item, last = new_id(), new_id()
    cursor = write_cursor("s" * 32, item, last)
    assert len(cursor) <= 120
    assert read_cursor("s" * 32, item, cursor) == last
    for secret, other in (("t" * 32, item), ("s" * 32, new_id())):
        with pytest.raises(CursorInvalid):
            read_cursor(secret, other, cursor)


@given(st.integers(0, 63), st.characters(codec="ascii"))
def test_a_changed_cursor_is_refused(place: int, letter: str) -> None:
    item, last = new_id(), new_id()
    cursor = write_cursor("s" * 32, item, last)
    changed = cursor[:place] + letter + cursor[place + 1 :]
    if changed != cursor:
        with pytest.raises(CursorInvalid):
            read_cursor("s" * 32, item, changed)
