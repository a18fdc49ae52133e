import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.ingest.links import normalised, url_digest

SAME = [
    (
        "https://paper.example/a",
        "http://www.paper.example/a/",
        "https://PAPER.example:443/a?utm_source=x&utm_medium=y",
        "https://paper.example/a?fbclid=123#top",
        "https://paper.example/a/index.html",
        "https://paper.example/%61",
    ),
    (
        "https://paper.example/?id=1&page=2",
        "https://paper.example?page=2&id=1&gclid=z",
    ),
]
OTHER = [
    ("https://paper.example/a", "https://paper.example/b"),
    ("https://paper.example/?id=1", "https://paper.example/?id=2"),
    ("https://one.example/a", "https://two.example/a"),
    ("https://paper.example:8443/a", "https://paper.example/a"),
    ("https://app.example/#!/one", "https://app.example/#!/two"),
]


@pytest.mark.parametrize("links", SAME)
def test_links_to_one_page_are_the_same(links: tuple[str, ...]) -> None:
    assert len({normalised(each) for each in links}) == 1


@pytest.mark.parametrize(("first", "second"), OTHER)
def test_links_to_two_pages_differ(first: str, second: str) -> None:
    assert url_digest(first) != url_digest(second)


@given(st.text())
def test_any_text_has_a_spelling(url: str) -> None:
    assert isinstance(normalised(url), str)
    assert url_digest(url) is None or len(url_digest(url) or b"") == 32
