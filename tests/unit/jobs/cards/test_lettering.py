"""Words as they are set: what the font has, how lines break, what is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.cards.lettering import Hand, cut, legible, set_in, wrapped

HAND = Hand("Bold", (60, 40, 20))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Plain words", "Plain words"),
        ("  spaces \n and\tlines ", "spaces and lines"),
        ("Žluťoučký kůň, Ζωή, жизнь", "Žluťoučký kůň, Ζωή, жизнь"),
        ("cafe\u0301", "café"),
        ("Rain \N{UMBRELLA WITH RAIN DROPS}\N{VARIATION SELECTOR-16} today", "Rain today"),
        ("now \u202e\u200b\x00 here", "now here"),
        ("日本の雨", ""),
        ("שלום עולם", ""),
        ("mostly 日本の雨が降る", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_only_what_can_be_drawn_is_kept(text: str | None, kept: str) -> None:
    assert legible(text) == kept


def test_the_largest_size_that_fits_is_taken() -> None:
    assert set_in("Rain", HAND, width=600, height=100).font.size == 60
    assert set_in("Rain " * 30, HAND, width=600, height=100).font.size == 20


def test_a_word_is_not_broken_while_a_smaller_size_has_room_for_it() -> None:
    block = set_in("Unbelievableness", HAND, width=400, height=400)
    assert block.lines == ("Unbelievableness",)
    assert block.font.size == 40


def test_headlines_have_no_lone_last_word() -> None:
    ragged = Hand("Bold", (40,), even=False)
    text = "The weir came down and the river ran"
    width = 620
    assert len(set_in(text, ragged, width=width, height=400).lines[-1].split()) == 1
    even = set_in(text, Hand("Bold", (40,)), width=width, height=400)
    assert len(even.lines) == len(set_in(text, ragged, width=width, height=400).lines)
    assert len(even.lines[-1].split()) > 1


def test_what_does_not_fit_even_so_is_cut_with_an_ellipsis() -> None:
    block = set_in("word " * 300, HAND, width=300, height=100)
    assert block.height <= 100
    assert block.lines[-1].endswith("word…")


def test_what_fits_is_not_cut() -> None:
    block = set_in("Rain", HAND, width=600, height=100)
    assert cut(block, 1, 600) is block


@given(st.text(alphabet="ab ", max_size=80), st.integers(1, 30))
def test_lines_hold_all_words_within_the_width(text: str, width: int) -> None:
    lines = wrapped(text, len, width)
    assert all(0 < len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
