"""Plain pages: the article on one, by trafilatura, and the feeds that one names."""

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from lxml import etree
from lxml.html import HtmlElement

from jobs.ingest.feed import Document, NotAFeed, RawEntry, RawFeed
from server.sources import SourceKind

KIND: SourceKind = "page"
# An article shorter than this is more likely a list of links.
LEAST_TEXT = 200
MOST_FEEDS = 10
# trafilatura compares parts of a page with one another; past this that is what it would do all day.
MOST_BYTES = 4 * 1024 * 1024
MOST_ELEMENTS = 60_000
_HEAD = 4096
# At its very beginning: feeds hold pages within them.
_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?[^>]{0,300}>\s*)?(?:<!--[^>]{0,2000}-->\s*){0,5}"
    rb"<\s*(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE,
)
_FEED_TYPE = re.compile(r"application/(?:(?:rss|atom)\+xml|feed\+json)", re.IGNORECASE)
# What pages call the links to their feeds.
_FEED_PATH = re.compile(
    r"(?:/(?:feed|feeds|rss|atom)/?|[./](?:rss|atom|rdf)(?:\.xml)?|/(?:feed|index)\.(?:xml|json))$",
    re.IGNORECASE,
)
# The title stands above the article already.
_HEADING = re.compile(r"<h1>[^<]{0,400}</h1>")
_DATES = (
    "//meta[@property='article:published_time']/@content",
    "//meta[@itemprop='datePublished']/@content",
    "//time[@itemprop='datePublished']/@datetime",
    "//meta[@name='date' or @name='dc.date' or @name='DC.date.issued']/@content",
)
_JSON_LD_DATE = re.compile(r"\"datePublished\"\s*:\s*\"([^\"]{8,40})\"")


def looks_like(document: Document) -> bool:
    """Whether a document begins as a web page does."""
    return _PAGE.match(document.content[:_HEAD]) is not None


def read(document: Document) -> RawFeed:
    """Read a page: the article on it, if there is one, and the feeds that it names.

    Raises:
        NotAFeed: it is larger than pages are, or no page.

    """
    if len(document.content) > MOST_BYTES:
        raise NotAFeed(f"It is a page of more than {MOST_BYTES // 1024 // 1024} MB.")
    tree = _tree(document)
    if tree is None:
        raise NotAFeed("It is a web page, not a feed, and there is nothing on it.")
    feeds = _feeds(tree, document.url)
    entry = _article(tree, document)
    return RawFeed(
        title=_first(tree, "//meta[@property='og:site_name']/@content") or _first(tree, "//title"),
        site=document.url,
        language=_first(tree, "/html/@lang"),
        feeds=feeds,
        entries=(entry,) if entry is not None else (),
    )


def named(feed: RawFeed) -> str:
    """Say of a page that was no feed which feed it names."""
    hint = f" The page names its feed: {feed.feeds[0]}" if feed.feeds else ""
    return f"It is a web page, not a feed.{hint}"


def _tree(document: Document) -> Any:
    from trafilatura.utils import load_html  # noqa: PLC0415 - half a second that feeds need not pay

    try:
        tree = load_html(document.content)
    except (ValueError, LookupError, AssertionError, etree.LxmlError):
        return None
    return tree if isinstance(tree, HtmlElement) else None


def _article(tree: Any, document: Document) -> RawEntry | None:
    from trafilatura import bare_extraction, extract  # noqa: PLC0415 - as above

    if sum(1 for _ in tree.iter()) > MOST_ELEMENTS:
        return None
    try:
        found: Any = bare_extraction(tree, url=document.url, with_metadata=True)
        body = extract(
            tree,
            url=document.url,
            output_format="html",
            include_comments=False,
            include_formatting=True,
            include_images=True,
            include_links=True,
        )
    except (ValueError, LookupError, AttributeError, TypeError, etree.LxmlError, RecursionError):
        # The ways in which it was seen to break over broken pages.
        return None
    if found is None or len(found.text or "") < LEAST_TEXT:
        return None
    return RawEntry(
        link=document.url,
        canonical=_first(tree, "//link[@rel='canonical']/@href"),
        title=found.title,
        title_is_html=False,
        is_article=True,
        body=_HEADING.sub("", str(body), count=1) if body else str(found.text),
        body_is_html=body is not None,
        author=found.author,
        language=_first(tree, "/html/@lang") or found.language,
        tags=tuple(each for each in (found.tags or ()) if isinstance(each, str)),
        image=found.image,
        published_at=_published(tree) or _moment(found.date),
        base=document.url,
    )


def _feeds(tree: Any, base: str) -> tuple[str, ...]:
    """Find the feeds that a page names in its head, and else those that it links to."""
    said = [
        each.get("href")
        for each in tree.iter("link")
        if "alternate" in (each.get("rel") or "").lower()
        and _FEED_TYPE.search(each.get("type") or "")
    ]
    if not said:
        linked = (each.get("href") for each in tree.iter("a"))
        said = [each for each in linked if each and _FEED_PATH.search(_path(each))]
    whole = (_whole(base, each) for each in said if each)
    return tuple(dict.fromkeys(each for each in whole if each))[:MOST_FEEDS]


def _published(tree: Any) -> datetime | None:
    for path in _DATES:
        if (found := _moment(_first(tree, path))) is not None:
            return found
    for script in tree.iterfind(".//script[@type='application/ld+json']"):
        if (said := _JSON_LD_DATE.search(script.text or "")) and (found := _moment(said[1])):
            return found
    return None


def _first(tree: Any, path: str) -> str | None:
    for each in tree.xpath(path):
        text = each if isinstance(each, str) else each.text_content()
        if text and text.strip():
            return str(text).strip()
    return None


def _moment(given: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat((given or "").strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _whole(base: str, link: str) -> str | None:
    try:
        whole = urljoin(base, link.strip())
        parts = urlsplit(whole)
    except ValueError:
        return None
    return whole if parts.scheme in {"http", "https"} and parts.netloc else None


def _path(link: str) -> str:
    try:
        return urlsplit(link).path
    except ValueError:
        return ""
