"""What people write: kept in one form, measured as readers do, and read for what it points at."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.kernel import writing

FAMILY = "👨‍👩‍👧‍👦"
words = st.text(
    st.characters(categories=("Ll", "Lu", "Lo", "Nd"), exclude_characters="\x00"), min_size=1
)
names = st.from_regex(r"[A-Za-z0-9_]{3,20}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("abc", 3),
        ("e\u0301", 1),
        (FAMILY, 1),
        ("🇨🇭🇫🇷", 2),
        ("👍🏽", 1),
        ("नमस्ते", 3),
        ("한국", 2),
        ("a\nb", 3),
    ],
)
@pytest.mark.row("T-34")
def test_characters_are_counted_as_readers_count(text: str, length: int) -> None:
    assert writing.length(text) == length


@pytest.mark.row("T-34")
def test_a_text_fits_by_characters_and_by_what_they_are_made_of() -> None:
    assert writing.fits(FAMILY * 5, 10)
    assert not writing.fits("a" * 11, 10)
    assert writing.fits("a" * 10, 10)
    # One character to the eye, and a kilobyte to everybody else.
    assert not writing.fits("a" + "\u0301" * 500, 10)


@given(st.text(), st.text())
def test_length_never_grows_by_joining(first: str, second: str) -> None:
    assert writing.length(first + second) <= writing.length(first) + writing.length(second)
    assert writing.length(first) <= len(first)


@given(st.text())
def test_a_cleaned_text_is_composed_has_no_controls_and_stays_as_it_is(text: str) -> None:
    kept = writing.clean(text)
    assert writing.clean(kept) == kept
    assert unicodedata.is_normalized("NFC", kept)
    assert not {each for each in kept if unicodedata.category(each) in {"Cc", "Cs"}} - {"\n", "\t"}
    assert "\n\n\n" not in kept
    kept.encode()


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("#News and #news", ["news"]),
        ("Über #Zürich, #CAFÉ! (#Straße)", ["zürich", "café", "strasse"]),
        ("#日本語 #नमस्ते #عربى", ["日本語", "नमस्ते", "عربى"]),
        ("\uff03全角", ["全角"]),
        ("#1 #2026 #4ever", ["4ever"]),
        ("a#b &#38; /#x ##y #", []),
        ("https://example.org/#part #after", ["after"]),
        ("#" + "a" * 51, []),
    ],
)
@pytest.mark.row("V-50")
def test_tags_are_found_in_any_script(text: str, tags: list[str]) -> None:
    assert list(writing.pointers(text).tags) == tags


@given(words)
@pytest.mark.row("V-50")
def test_a_tag_is_one_however_it_is_written(word: str) -> None:
    tag = writing.tag_of(word)
    if tag is None:
        return
    assert writing.tag_of(tag) == tag
    assert writing.pointers(f"#{tag}").tags == (tag,)
    assert writing.tag_of(unicodedata.normalize("NFD", word)) == tag


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("@ada and @ADA", ["ada"]),
        ("Ask @ada_lovelace, or (@bob).", ["ada_lovelace", "bob"]),
        ("ada@example.org @ada@example.org", []),
        ("@ab @" + "a" * 21, []),
        ("https://example.org/@ada @cy1", ["cy1"]),
        ("\uff20ada", ["ada"]),
        ("@@ada @adaé", []),
    ],
)
def test_people_are_named_by_their_usernames(text: str, names: list[str]) -> None:
    assert list(writing.pointers(text).mentions) == names


@given(st.lists(names, max_size=8))
def test_every_name_that_stands_alone_is_found_once(given_names: list[str]) -> None:
    found = writing.pointers(" ".join(f"@{each}" for each in given_names)).mentions
    assert [each.lower() for each in found] == list(
        dict.fromkeys(each.lower() for each in given_names)
    )


@given(st.text())
def test_whatever_is_written_something_is_found_or_nothing(text: str) -> None:
    found = writing.pointers(writing.clean(text))
    assert len(found.tags) <= writing.MOST_TAGS
    assert len(found.mentions) <= writing.MOST_MENTIONS
    assert all(writing.length(each) <= writing.LONGEST_TAG for each in found.tags)


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("See https://example.org/a.", ["https://example.org/a"]),
        ("(https://example.org/wiki/A_(b))", ["https://example.org/wiki/A_(b)"]),
        ("HTTPS://Example.org, http://b.example?x=1#y", ["HTTPS://Example.org",
                                                        "http://b.example?x=1#y"]),
        ("ftp://example.org javascript://example.org", []),
        ("https://user@example.org https://localhost xhttps://example.org", []),
    ],
)  # fmt: skip
def test_links_end_where_the_sentence_goes_on(text: str, links: list[str]) -> None:
    assert list(writing.pointers(text).links) == links


def test_html_holds_paragraphs_breaks_and_links_only() -> None:
    written = "Look: https://example.org/?a=1&b=2.\n<b>bold</b>\n\nSecond"
    assert writing.html_of(written) == (
        '<p>Look: <a href="https://example.org/?a=1&amp;b=2" rel="nofollow noopener ugc">'
        "https://example.org/?a=1&amp;b=2</a>.<br>&lt;b&gt;bold&lt;/b&gt;</p><p>Second</p>"
    )
