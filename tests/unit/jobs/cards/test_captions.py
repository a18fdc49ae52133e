"""The body as captions: where it is parted, how much of it, and when each part is shown."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.cards.captions import LEAST, LINES, MOST, part, plan
from jobs.cards.model import FPS

WIDTH = 608
SENTENCE = "The bridge was closed to lorries at noon because of the wind."


def words(body: str) -> list[str]:
    return [" ".join(block.lines) for block in part(body, WIDTH)]


def test_parts_end_where_sentences_end() -> None:
    assert words(" ".join([SENTENCE] * 4)) == [f"{SENTENCE}"] * 4 or all(
        each.endswith(".") for each in words(" ".join([SENTENCE] * 4))
    )


def test_short_sentences_share_a_caption() -> None:
    told = words(f"It rang. All heard it. {SENTENCE} {SENTENCE}")
    assert told[0] == f"It rang. All heard it. {SENTENCE}"


def test_what_one_caption_would_hold_is_told_in_two() -> None:
    assert words("It rang. It stopped. All had heard it.") == [
        "It rang. It stopped.",
        "All had heard it.",
    ]
    assert words("It rang.") == ["It rang."]


def test_a_closing_quotation_mark_belongs_to_its_sentence() -> None:
    body = f"\u201c{SENTENCE}\u201d He said no more than that to anybody who asked him, ever again."
    assert words(body)[0] == f"\u201c{SENTENCE}\u201d"


def test_of_a_long_text_only_so_much_is_told() -> None:
    told = words(" ".join([SENTENCE] * 40))
    assert LEAST <= len(told) <= MOST


def test_a_sentence_without_an_end_is_cut() -> None:
    told = words("and so on " * 100)
    assert len(told) == LEAST
    assert told[-1].endswith("…")


def test_no_body_no_captions() -> None:
    captions, frames = plan("", "A title", WIDTH)
    assert (captions, frames) == ([], 6 * FPS)


def test_more_text_lasts_longer_but_never_long() -> None:
    _, short = plan("It rang.", "Bell", WIDTH)
    _, long = plan(" ".join([SENTENCE] * 4), "Bell " * 30, WIDTH)
    assert 6 * FPS == short < long == 8 * FPS


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([SENTENCE, "It rang.", "x" * 300, "A, b and c;"]), max_size=8))
def test_captions_follow_one_another_to_the_end(sentences: list[str]) -> None:
    captions, frames = plan(" ".join(sentences), "Title", WIDTH)
    assert 6 * FPS <= frames <= 8 * FPS
    assert len(captions) <= MOST
    at = 0
    for caption in captions:
        assert caption.first == at
        assert caption.end - caption.first >= FPS
        assert 0 < len(caption.block.lines) <= LINES
        at = caption.end
    assert at in {0, frames}


@pytest.mark.parametrize("body", ["…", "...", "?!", "“”", "a" * 2000, "\u201d" * 50])
def test_odd_bodies_do_no_harm(body: str) -> None:
    plan(body, "", WIDTH)
