"""What podcasts, video feeds, sitemaps and pages bring besides what feeds do."""

import gzip
from datetime import UTC, datetime

import pytest

from jobs.ingest import language
from jobs.ingest.enclosures import duration
from jobs.ingest.parse import Feed, Given, NotAFeed, read
from server.items import Chapter
from server.sources import SourceKind

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SENTENCE = "The river rose over the bridge in the night and the trams had to wait for hours. "


def reading(content: str | bytes, wanted: SourceKind = "feed") -> Feed:
    content = content.encode() if isinstance(content, str) else content
    return read(content, Given(url="https://paper.example/a", wanted=wanted), NOW)


PODCAST = """
<rss version="2.0" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"
  xmlns:psc="http://podlove.org/simple-chapters"><channel><title>Talk</title>
<item><title>One</title><guid isPermaLink="false">1</guid>
  <enclosure url="https://cdn.example/1.mp3" type="audio/mpeg" length="1"/>
  <itunes:duration>01:02:03</itunes:duration><itunes:image href="https://cdn.example/1.jpg"/>
  <psc:chapters><psc:chapter start="00:03:07.25" title="Second" href="/two"/>
    <psc:chapter start="0:00" title="First &lt;b&gt;"/><psc:chapter start="x" title="No"/>
  </psc:chapters></item>
<item><title>Two</title><guid>2</guid><enclosure url="https://cdn.example/2.M4A?x=1"/></item>
</channel></rss>
"""


def test_an_episode_is_audio_with_its_length_and_chapters() -> None:
    one, two = reading(PODCAST).entries

    assert (one.kind, one.audio_url) == ("AUDIO", "https://cdn.example/1.mp3")
    assert one.duration_sec == 3723
    assert one.image_url == "https://cdn.example/1.jpg"
    assert one.chapters == (
        Chapter(0.0, "First", None),
        Chapter(187.25, "Second", "https://paper.example/two"),
    )
    # A GUID that is no address is no link.
    assert one.url is None
    assert (two.kind, two.audio_url) == ("AUDIO", "https://cdn.example/2.M4A?x=1")


VIDEOS = """
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/"
  xmlns:yt="http://www.youtube.com/xml/schemas/2015"><title>Films</title>
<entry><id>yt:video:abc</id><yt:videoId>abc</yt:videoId><title>A film</title>
  <link rel="alternate" href="https://video.example/watch?v=abc"/>
  <media:group>
  <media:content url="https://video.example/v/abc" type="application/x-shockwave-flash"/>
  <media:thumbnail url="https://video.example/abc.jpg"/><media:description>Seen.</media:description>
  </media:group></entry>
<entry><id>2</id><title>A file</title><media:group>
  <media:content url="https://video.example/2.mp4" medium="video" duration="12.5"/></media:group>
</entry></feed>
"""


def test_what_a_video_feed_tells_is_video_with_or_without_a_file() -> None:
    named, file = reading(VIDEOS).entries

    assert (named.kind, named.video_url, named.body_text) == ("VIDEO", None, "Seen.")
    assert named.image_url == "https://video.example/abc.jpg"
    assert (file.kind, file.video_url) == ("VIDEO", "https://video.example/2.mp4")
    assert file.duration_sec == 12.5


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("1:02:03", 3723),
        ("62:03", 3723),
        ("3723", 3723),
        (" 12.5 ", 12.5),
        ("", None),
        ("soon", None),
        ("1:2:3:4", None),
        (None, None),
        (7, None),
    ],
)
def test_durations_are_read_as_they_are_written(told: object, seconds: float | None) -> None:
    assert duration(told) == seconds


NEWS = """<?xml version="1.0"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
  xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"
  xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
<url><loc>https://paper.example/old</loc><lastmod>2026-11-01</lastmod></url>
<url><loc>https://paper.example/new</loc><news:news><news:publication><news:name>Paper</news:name>
  <news:language>en</news:language></news:publication><news:title>New &amp; fresh</news:title>
  <news:publication_date>2026-11-19T10:00:00+01:00</news:publication_date>
  <news:keywords>river, tram</news:keywords></news:news>
  <image:image><image:loc>https://cdn.example/n.jpg</image:loc></image:image></url>
<url><loc>javascript:alert(1)</loc></url>
</urlset>"""


@pytest.mark.parametrize("content", [NEWS.encode(), gzip.compress(NEWS.encode())])
def test_a_sitemap_names_pages_the_latest_first(content: bytes) -> None:
    feed = reading(content)

    assert (feed.kind, feed.title) == ("sitemap", "Paper")
    new, old = feed.entries
    assert (new.url, new.title, new.language) == ("https://paper.example/new", "New & fresh", "en")
    assert new.published_at == datetime(2026, 11, 19, 9, tzinfo=UTC)
    assert (new.tags, new.image_url) == (("river", "tram"), "https://cdn.example/n.jpg")
    assert (old.title, old.partial, old.kind) == (None, True, "ARTICLE")


def test_a_sitemap_of_sitemaps_names_its_parts_the_latest_first() -> None:
    feed = reading(
        "<sitemapindex xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>"
        "<sitemap><loc>https://p.example/1.xml</loc><lastmod>2026-01-01</lastmod></sitemap>"
        "<sitemap><loc>https://p.example/2.xml.gz</loc><lastmod>2026-02-01</lastmod></sitemap>"
        "</sitemapindex>"
    )

    assert feed.parts == ("https://p.example/2.xml.gz", "https://p.example/1.xml")


@pytest.mark.parametrize(
    "content",
    [
        "<urlset><url><loc>x",
        "<!DOCTYPE urlset [<!ENTITY a 'b'>]><urlset><url><loc>&a;</loc></url></urlset>",
        "<urlset>" + "<a>" * 5000,
    ],
)
def test_a_sitemap_that_is_broken_or_hostile_is_refused(content: str) -> None:
    with pytest.raises(NotAFeed):
        reading(content)


def test_what_goes_too_deep_is_refused() -> None:
    with pytest.raises(NotAFeed, match="deep"):
        reading("<rss><channel>" + "<a>" * 1000)


PAGE = f"""<!doctype html><html lang="en"><head><title>River rises - Paper</title>
<link rel="canonical" href="https://elsewhere.example/river?utm_source=x">
<link rel="alternate" type="application/rss+xml" href="/feed.xml">
<link rel="alternate" type="application/feed+json" href="/feed.json">
<meta property="og:title" content="River rises"><meta property="og:image" content="/i.jpg">
<meta name="author" content="Ann Lee">
<meta property="article:published_time" content="2026-11-19T10:11:12+01:00"></head>
<body><nav><a href="/">Home</a></nav><article><h1>River rises</h1>
<p>{SENTENCE * 3}</p><p onclick="alert(1)">{SENTENCE * 2}<script>alert(1)</script></p>
</article><footer>All rights reserved</footer></body></html>"""


def test_a_page_is_read_as_the_article_on_it() -> None:
    feed = reading(PAGE, "page")
    (entry,) = feed.entries

    assert feed.kind == "page"
    assert feed.feeds == ("https://paper.example/feed.xml", "https://paper.example/feed.json")
    assert (entry.kind, entry.title, entry.author_name) == ("ARTICLE", "River rises", "Ann Lee")
    assert entry.published_at == datetime(2026, 11, 19, 9, 11, 12, tzinfo=UTC)
    assert (entry.url, entry.image_url) == (
        "https://paper.example/a",
        "https://paper.example/i.jpg",
    )
    assert SENTENCE.strip() in entry.body_text
    assert "All rights" not in entry.body_text
    assert "script" not in entry.body_html
    assert "onclick" not in entry.body_html
    # By the address that it says is its own it is recognised elsewhere.
    assert (
        entry.url_digest == reading(PAGE.replace("?utm_source=x", ""), "page").entries[0].url_digest
    )


def test_a_page_is_no_feed_where_a_feed_is_wanted() -> None:
    with pytest.raises(NotAFeed, match=r"names its feed: https://paper.example/feed.xml"):
        reading(PAGE)


def test_a_page_without_an_article_names_what_it_links_to() -> None:
    page = "<html><body><a href='/about'>About</a><a href='/rss.xml'>RSS</a></body></html>"
    feed = reading(page, "auto")

    assert feed.entries == ()
    assert feed.feeds == ("https://paper.example/rss.xml",)


@pytest.mark.parametrize(
    ("words", "told", "found"),
    [
        ("Der Fluss ist über die Ufer getreten, und die Brücke bleibt gesperrt. " * 2, None, "de"),
        (
            "Der Fluss ist über die Ufer getreten, und die Brücke bleibt gesperrt. " * 2,
            "en-us",
            "de",
        ),
        (SENTENCE * 2, "en-gb", "en-gb"),
        ("Short.", None, None),
        ("Kurz.", "de", "de"),
    ],
)
def test_the_language_is_what_the_words_are_in(words: str, told: str | None, found: str) -> None:
    assert language.of(words, told) == found


def test_a_hub_and_the_address_by_which_it_knows_a_feed_are_read() -> None:
    feed = reading(
        "<feed xmlns='http://www.w3.org/2005/Atom'><title>x</title>"
        "<link rel='hub' href='https://hub.example/'/><link rel='self' href='/feed'/>"
        "<entry><id>1</id><title>y</title></entry></feed>"
    )

    assert (feed.hub, feed.topic) == ("https://hub.example/", "https://paper.example/feed")
