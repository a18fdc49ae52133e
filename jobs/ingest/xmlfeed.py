"""RSS 0.9x to 2.0, RDF and Atom, as broken as the wild has them, by feedparser."""

import calendar
import re
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import feedparser

from jobs.ingest.feed import NotAFeed, RawEntry, RawFeed

# The newest entries of a feed that lists more than this are taken, the others left out.
MAX_ENTRIES = 500
# The ways in which a lenient parser was seen to break over broken input.
_BREAKAGES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    RecursionError,
    TypeError,
    ValueError,
)
_HTML_TYPES = {"text/html", "application/xhtml+xml"}
_PAGE = re.compile(rb"<\s*(?:!doctype\s+html|html)\b", re.IGNORECASE)
# Both are bounded, so that no page can make them look for long.
_LINK = re.compile(rb"<link\b[^<>]{0,600}>", re.IGNORECASE)
_FEED_TYPE = re.compile(rb"\btype=[\"']?application/(?:rss|atom)\+xml", re.IGNORECASE)
_HREF = re.compile(rb"\bhref=[\"']?([^\"'\s>]{1,300})", re.IGNORECASE)


def read(content: bytes, *, content_type: str, base: str) -> RawFeed:
    """Read a feed.

    Raises:
        NotAFeed: it is none.

    """
    try:
        # As a stream: feedparser takes bare bytes for the name of a file, and opens it. Without our
        # address: it would make links of GUIDs too; links are made whole by whoever cleans them.
        found = feedparser.parse(
            BytesIO(content),
            response_headers={"content-type": content_type},
            sanitize_html=False,
            resolve_relative_uris=False,
        )
    except _BREAKAGES as error:
        raise NotAFeed(f"It could not be read as a feed: {type(error).__name__}.") from error
    if not found.get("version") and not found.get("entries"):
        raise NotAFeed(_instead(content))
    about = found.get("feed", {})
    return RawFeed(
        title=_text(about.get("title")),
        site=_text(about.get("link")),
        language=_text(about.get("language")),
        licence=_text(about.get("license")) or _text(about.get("rights")),
        pause=_ttl(about.get("ttl")),
        entries=tuple(_entry(each, about, base) for each in found["entries"][:MAX_ENTRIES]),
    )


def _entry(entry: Any, about: Any, base: str) -> RawEntry:
    contents = [each for each in entry.get("content") or () if _text(each.get("value"))]
    # Of several, the one that says most.
    content: Any = max(contents, key=lambda each: len(each["value"]), default={})
    reply = _attributes(entry.get("thr_in-reply-to"))
    title, summary = entry.get("title_detail") or {}, entry.get("summary_detail") or {}
    return RawEntry(
        guid=_text(entry.get("id")),
        link=_link(entry),
        title=_text(entry.get("title")),
        title_is_html=title.get("type") in _HTML_TYPES,
        body=_text(content.get("value")) or "",
        body_is_html=content.get("type") in _HTML_TYPES,
        summary=_text(entry.get("summary")) or "",
        summary_is_html=summary.get("type") in _HTML_TYPES,
        author=_author(entry) or _author(about),
        language=_text(content.get("language")) or _text(about.get("language")),
        tags=tuple(
            term
            for each in entry.get("tags") or ()
            if (term := _text(each.get("term"))) is not None
        ),
        image=_media(entry, "image"),
        video=_media(entry, "video"),
        published_at=_date(entry),
        answers_ref=_text(reply.get("ref")),
        answers_link=_text(reply.get("href")),
        base=_text(content.get("base")) or _text(title.get("base")) or base,
    )


def _link(entry: Any) -> str | None:
    # FeedBurner puts its own address into the link and the page's own beside it.
    return _text(entry.get("feedburner_origlink")) or _text(entry.get("link"))


def _author(of: Any) -> str | None:
    # The whole of it: where feedparser parts name from address, it cuts names in two.
    detail = of.get("author_detail") or {}
    return _text(of.get("author")) or _text(detail.get("name"))


def _media(entry: Any, kind: str) -> str | None:
    """Find the address of a picture or a video, in the places where feeds put them."""
    listed = [*(entry.get("enclosures") or ()), *(entry.get("media_content") or ())]
    for each in listed:
        said = f"{each.get('type') or ''} {each.get('medium') or ''}".strip().lower()
        address = _text(each.get("href")) or _text(each.get("url"))
        if said.startswith(kind) and address:
            return address
    if kind == "video":
        return None
    thumbnails = entry.get("media_thumbnail") or ()
    found = next((address for each in thumbnails if (address := _text(each.get("url")))), None)
    return found or _text((entry.get("image") or {}).get("href"))


def _date(entry: Any) -> datetime | None:
    for name in ("published_parsed", "updated_parsed", "created_parsed"):
        # Not through feedparser's own `get`, which warns of what it puts in place of what.
        parsed = dict.get(entry, name)
        if parsed is not None:
            try:
                return datetime.fromtimestamp(calendar.timegm(parsed), UTC)
            except (ValueError, OverflowError, OSError, TypeError):
                continue
    return None


def _ttl(given: Any) -> timedelta | None:
    minutes = _text(given)
    return timedelta(minutes=min(int(minutes), 10**6)) if minutes and minutes.isdecimal() else None


def _text(given: Any) -> str | None:
    return given if isinstance(given, str) and given.strip() else None


def _instead(content: bytes) -> str:
    if not content.strip():
        return "It is empty."
    if not _PAGE.search(content[:4096]):
        return "It is not a feed."
    links = (found[0] for found in _LINK.finditer(content[:200_000]))
    alternate = next((each for each in links if _FEED_TYPE.search(each)), b"")
    href = _HREF.search(alternate)
    hint = f" The page names its feed: {href[1].decode('utf-8', 'replace')}" if href else ""
    return f"It is a web page, not a feed.{hint}"


def _attributes(given: Any) -> Any:
    # feedparser keeps an element it does not know by its attributes, unless it has text.
    return given if isinstance(given, dict) else {}
