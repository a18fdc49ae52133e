"""Every feed that feedparser's authors thought worth a test, through our own reading of it."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typing_extensions import override

from jobs.ingest import clean
from jobs.ingest.parse import Feed, Given, NotAFeed, read
from server.items import MAX_BODY_HTML, MAX_BODY_TEXT, MAX_TITLE
from tests import corpora

# No bound on speed: what takes so long has hung.
HUNG_SECONDS = 20
NOW = datetime(2026, 11, 20, tzinfo=UTC)
LINKS = {"href", "src", "cite"}


class Shown(HTMLParser):
    """Collects what a browser would be given to do."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.handlers: list[str] = []
        self.links: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        self.links += [value or "" for name, value in attrs if name in LINKS]


def outcome(path: Path) -> Feed | str:
    try:
        return read(path.read_bytes(), Given(url="https://corpus.example/feed"), NOW)
    except NotAFeed as refusal:
        return str(refusal)


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[Path, Feed | str]]:
    """What each file came to; in another process, which a hung parser could not take with it."""
    files = sorted(each for each in corpora.feeds().rglob("*") if each.suffix in {".xml", ".gz"})
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield {each: pool.submit(outcome, each).result(HUNG_SECONDS) for each in files}


def test_no_file_raises_or_hangs(outcomes: dict[Path, Feed | str]) -> None:
    assert len(outcomes) >= 2242
    refused = [each for each in outcomes.values() if isinstance(each, str)]
    assert len(refused) < 30
    assert not [each for each in refused if "could not be read" in each]


def test_no_file_leaves_a_script_behind(outcomes: dict[Path, Feed | str]) -> None:
    for path, feed in outcomes.items():
        for entry in feed.entries if isinstance(feed, Feed) else ():
            shown = Shown()
            shown.feed(entry.body_html)
            shown.close()
            assert shown.tags <= clean.TAGS, path
            assert not shown.handlers, path
            links = (*shown.links, entry.url, entry.image_url, entry.video_url)
            assert all(each.startswith(("http://", "https://")) for each in links if each), path


def test_no_file_passes_the_bounds(outcomes: dict[Path, Feed | str]) -> None:
    for path, feed in outcomes.items():
        for entry in feed.entries if isinstance(feed, Feed) else ():
            assert len(entry.title or "") <= MAX_TITLE, path
            assert len(entry.body_text) <= MAX_BODY_TEXT, path
            assert len(entry.body_html) <= MAX_BODY_HTML, path
            assert entry.title or entry.body_text or entry.video_url, path
