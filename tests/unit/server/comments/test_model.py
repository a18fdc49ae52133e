"""What a comment may say, and where its pages begin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.comments.model import LONGEST, Wanted, check_body, read_cursor, write_cursor
from server.kernel import writing
from server.kernel.ids import new_id
from server.kernel.problems import CursorInvalid, Malformed

WANTED = Wanted("s" * 32)


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
    html = writing.html_of(text)
    for tag in ("<p>", "</p>", "<br>"):
        html = html.replace(tag, "")
    assert "<" not in html
    assert ">" not in html


def test_a_cursor_is_of_one_list_and_of_one_secret() -> None:
    item, last = new_id(), new_id()
    cursor = write_cursor(WANTED, item, last)
    assert len(cursor) <= 120
    assert read_cursor(WANTED, item, cursor) == last
    others = (
        (Wanted("t" * 32), item),
        (WANTED, new_id()),
        (Wanted("s" * 32, sort="oldest"), item),
        (Wanted("s" * 32, view="threads"), item),
    )
    for wanted, other in others:
        with pytest.raises(CursorInvalid):
            read_cursor(wanted, other, cursor)


@given(st.integers(0, 63), st.characters(codec="ascii"))
def test_a_changed_cursor_is_refused(place: int, letter: str) -> None:
    item, last = new_id(), new_id()
    cursor = write_cursor(WANTED, item, last)
    changed = cursor[:place] + letter + cursor[place + 1 :]
    if changed != cursor:
        with pytest.raises(CursorInvalid):
            read_cursor(WANTED, item, changed)
