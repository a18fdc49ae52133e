"""Podcasts, JSON feeds, sitemaps and pages of others, against what they say should come of them."""

import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from jobs.ingest import clean, xmlfeed
from jobs.ingest.feed import Document
from jobs.ingest.parse import Feed, Given, NotAFeed, read
from server.sources import SourceKind
from tests import corpora

NOW = datetime(2026, 11, 20, tzinfo=UTC)
URL = "https://corpus.example/a"
_SCRIPT = re.compile(r"<\s*(?:script|iframe|object|style)|\son\w+\s*=|javascript:", re.IGNORECASE)


def outcome(path: Path, wanted: SourceKind = "feed") -> Feed | None:
    try:
        return read(path.read_bytes(), Given(url=URL, wanted=wanted), NOW)
    except NotAFeed:
        return None


def told(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def words(text: str) -> Counter[str]:
    """The words of a text; of scripts without spaces, their characters."""
    return Counter(re.findall(r"[a-z0-9]+|[^\W\d_a-z]", text.casefold()))


def test_episodes_are_what_another_podcast_reader_makes_of_them() -> None:
    compared = 0
    for path in sorted(corpora.podcasts().glob("*.rss")):
        wanted, feed = told(path.with_suffix(".json")), outcome(path)
        by_file = {each.audio_url or each.video_url: each for each in feed.entries} if feed else {}
        for episode in wanted.get("episodes", ()):
            files = [each["url"] for each in episode["enclosures"]]
            entry = next((by_file[each] for each in files if each in by_file), None)
            if entry is not None:
                compared += 1
                assert entry.kind in {"AUDIO", "VIDEO"}, path.name
    assert compared >= 30


@pytest.mark.parametrize("name", ["chapters", "itunes_duration", "duration"])
def test_lengths_and_chapters_are_what_another_podcast_reader_reads(name: str) -> None:
    path = corpora.podcasts() / f"{name}.rss"
    raw = xmlfeed.read(Document(content=path.read_bytes(), url=URL)).entries
    wanted = told(path.with_suffix(".json"))["episodes"]

    by_title = {each["title"]: each for each in wanted}
    for entry in raw:
        episode = by_title[entry.title]
        assert int(entry.duration_sec or 0) == episode["total_time"]
        starts = [int(each.start_sec) for each in entry.chapters]
        assert starts == [each["start"] for each in episode.get("chapters", ())]


def test_json_feeds_come_to_as_many_entries_as_they_hold() -> None:
    for name in ("full.json", "10.json", "unknown.json"):
        path = corpora.told_feeds() / name
        feed, source = outcome(path), told(path)
        if "jsonfeed" not in source.get("version", ""):
            assert feed is None
            continue
        assert feed is not None
        assert len(feed.entries) + feed.empty == len(source["items"]), name
        assert feed.title == source.get("title")


def test_a_sitemap_reads_alike_packed_and_unpacked() -> None:
    resources = corpora.sites() / "resources"
    plain, packed = outcome(resources / "sitemap.xml"), outcome(resources / "sitemap.xml.gz")

    assert plain is not None
    assert packed is not None
    assert plain.kind == packed.kind == "sitemap"
    assert len(plain.entries) > 80
    assert all(each.partial and each.url for each in (*plain.entries, *packed.entries))


@pytest.mark.timeout(300)
def test_articles_are_found_on_pages_and_nothing_else() -> None:
    recall, precision, titles = [], [], []
    for path in sorted((corpora.pages() / "html").glob("*.html")):
        feed = outcome(path, "page")
        expected = corpora.pages() / "txt" / f"{path.stem}.txt"
        for entry in feed.entries if feed is not None else ():
            assert not _SCRIPT.search(re.sub(r">[^<]*<", "><", entry.body_html)), path.name
            assert set(re.findall(r"<(\w+)", entry.body_html)) <= clean.TAGS, path.name
        if not expected.is_file():
            continue
        wanted = words(expected.read_text("utf-8")[:4000])
        found = words(feed.entries[0].body_text if feed is not None and feed.entries else "")
        shared = (wanted & found).total()
        recall.append(shared / max(wanted.total(), 1))
        precision.append(shared / max(found.total(), 1))
        metadata = corpora.pages() / "metadata" / f"{path.stem}.json"
        if metadata.is_file() and feed is not None and feed.entries:
            same = words(told(metadata)["title"]) & words(feed.entries[0].title or "")
            titles.append(same.total() / max(words(told(metadata)["title"]).total(), 1))
    assert len(recall) >= 15
    assert median(recall) > 0.85, recall
    assert median(precision) > 0.85, precision
    assert median(titles) > 0.9, titles
