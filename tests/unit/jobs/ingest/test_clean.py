import re
from html.parser import HTMLParser

from hypothesis import example, given
from hypothesis import strategies as st

from jobs.ingest import clean

BASE = "https://paper.example/news/today"

HOSTILE = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.sampled_from(
            [
                *(
                    "<script>",
                    "</script>",
                    "<style>",
                    "</style>",
                    "<!--",
                    "-->",
                    "<![CDATA[",
                    "]]>",
                ),
                *("<img src=x onerror=alert(1)>", "<svg/onload=x>", "<iframe src=//x>", "<object>"),
                *("<a href='javascript:x'>", "<a href='jAvA\tscript:x'>", "<base href=//x>", "<b"),
                *("&lt;script&gt;", "&#x3C;script&#x3E;", "<p>", "</p>", "<form><input>", "\x00"),
                "<math><mi//xlink:href='data:x,<script>'>",
                "<noscript><p title='</noscript><img src=x onerror=x>'>",
            ]
        ),
    ),
    max_size=30,
).map("".join)


HTTP = ("http://", "https://")


def attributes_of(shown: str) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda _tag, attrs: found.extend(attrs)  # type: ignore[method-assign]
    parser.feed(shown)
    return found


@given(HOSTILE)
@example("<?<noscript><p title='</noscript><img src=x onerror=x>'>")
def test_nothing_that_runs_comes_through(raw: str) -> None:
    shown = clean.html(raw, base=BASE, most=20_000)

    tags = re.findall(r"<([a-zA-Z0-9]+)", shown)
    assert {tag.lower() for tag in tags} <= clean.TAGS
    # Read as a browser does: what stands inside a quoted value is no attribute.
    for name, value in attributes_of(shown):
        assert not name.startswith("on")
        assert name not in {"href", "src", "cite"} or (value or "").startswith(HTTP)


@given(HOSTILE)
def test_cleaning_what_is_clean_changes_nothing(raw: str) -> None:
    once = clean.html(raw, base=BASE, most=20_000)

    assert clean.html(once, base=BASE, most=20_000) == once


@given(st.text(max_size=3000), st.integers(600, 1000))
def test_html_stays_within_its_bound(raw: str, most: int) -> None:
    assert len(clean.html(f"<p><b>{raw}</b></p>" * 3, base=BASE, most=most)) <= most


@given(st.text(max_size=300), st.integers(2, 200))
def test_text_stays_within_its_bound(raw: str, most: int) -> None:
    assert len(clean.text(raw, most=most)) <= most


def test_links_are_made_whole_and_follow_nobody() -> None:
    assert clean.html('<a href="../more?a=1&amp;b=2">More</a>', base=BASE, most=500) == (
        '<a href="https://paper.example/more?a=1&amp;b=2" rel="noopener nofollow">More</a>'
    )


def test_paragraphs_are_lines_of_the_text() -> None:
    raw = (
        "<p>One &amp; two.</p>\n\n<p>Three<br>four</p><ul><li>five</li></ul><script>six()</script>"
    )

    assert clean.text(raw, most=100) == "One & two.\nThree\nfour\nfive"


def test_a_title_is_one_line_without_tags_or_entities() -> None:
    assert clean.line(" <b>Caf&eacute;</b>\n opens ", most=100) == "Café opens"
    assert clean.line("<img src=x>", most=100) is None
    assert clean.line(None, most=100) is None


def test_what_a_reader_is_fooled_with_is_taken_out() -> None:
    assert clean.plain("a\u202eb\x00c\ud800d", most=50) == "abcd"


def test_text_is_cut_at_a_word() -> None:
    assert clean.shortened("one two three four", 12) == "one two…"
    assert clean.shortened("x" * 50, 10) == "x" * 9 + "…"


def test_a_link_that_cannot_be_followed_is_none() -> None:
    for given_link in ("javascript:x", "data:text/html,x", "mailto:a@b.example", "http://[bad", ""):
        assert clean.link(given_link, base=BASE) is None
    assert clean.link("//cdn.example/a.png", base=BASE) == "https://cdn.example/a.png"


def test_the_first_picture_is_found() -> None:
    shown = clean.html('<p>x</p><img alt="a" src="/a.png?x=1&amp;y=2">', base=BASE, most=500)

    assert clean.first_image(shown) == "https://paper.example/a.png?x=1&y=2"


def test_a_picture_inside_a_link_does_not_push_the_text_away() -> None:
    raw = f'<p>Before</p><img src="data:image/png;base64,{"A" * 300_000}"><p>After</p>'

    assert clean.text(raw, most=100) == "Before\nAfter"
    assert "data:" not in clean.html(raw, base=BASE, most=500)
