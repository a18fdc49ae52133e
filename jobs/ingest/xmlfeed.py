"""RSS 0.9x to 2.0, RDF and Atom, as broken as the wild has them, by feedparser."""

import calendar
import re
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import feedparser

from jobs.ingest import depth, enclosures
from jobs.ingest.feed import Document, NotAFeed, RawEntry, RawFeed
from server.sources import SourceKind

KIND: SourceKind = "feed"

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
_FOLLOWED = re.compile(r"(?:https?:)?//", re.IGNORECASE)
_HTML_TYPES = {"text/html", "application/xhtml+xml"}


def looks_like(_document: Document) -> bool:
    """Whether a document may be of this format: feedparser finds feeds in anything."""
    return True


def read(document: Document) -> RawFeed:
    """Read a feed.

    Raises:
        NotAFeed: it is none.

    """
    content = document.content
    if depth.of(content) > depth.MOST:
        raise NotAFeed(f"Its elements stand in one another more than {depth.MOST} deep.")
    try:
        # As a stream: feedparser takes bare bytes for the name of a file, and opens it. Without our
        # address: it would make links of GUIDs too; links are made whole by whoever cleans them.
        found = feedparser.parse(
            BytesIO(content),
            response_headers={"content-type": document.content_type},
            sanitize_html=False,
            resolve_relative_uris=False,
        )
    except _BREAKAGES as error:
        raise NotAFeed(f"It could not be read as a feed: {type(error).__name__}.") from error
    if not found.get("version") and not found.get("entries"):
        raise NotAFeed("It is not a feed." if content.strip() else "It is empty.")
    about = found.get("feed", {})
    base = document.url
    return RawFeed(
        title=_text(about.get("title")),
        site=_text(about.get("link")),
        language=_text(about.get("language")),
        licence=_text(about.get("license")) or _text(about.get("rights")),
        pause=_ttl(about.get("ttl")),
        hub=_related(about, "hub"),
        topic=_related(about, "self"),
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
        image=enclosures.picture(entry),
        video=enclosures.file(entry, "video"),
        audio=enclosures.file(entry, "audio"),
        is_video="yt_videoid" in entry,
        duration_sec=enclosures.seconds(entry),
        chapters=enclosures.chapters(entry),
        published_at=_date(entry),
        answers_ref=_text(reply.get("ref")),
        answers_link=_text(reply.get("href")),
        base=_text(content.get("base")) or _text(title.get("base")) or base,
    )


def _link(entry: Any) -> str | None:
    # FeedBurner puts its own address into the link and the page's own beside it.
    link = _text(entry.get("feedburner_origlink")) or _text(entry.get("link"))
    # A GUID is taken for a link unless it says that it is none; of some it can be seen.
    named = link is not None and link == entry.get("id") and not _FOLLOWED.match(link)
    return None if named else link


def _author(of: Any) -> str | None:
    # The whole of it: where feedparser parts name from address, it cuts names in two.
    detail = of.get("author_detail") or {}
    return _text(of.get("author")) or _text(detail.get("name"))


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


def _related(about: Any, relation: str) -> str | None:
    listed = about.get("links") or ()
    return next((_text(each.get("href")) for each in listed if each.get("rel") == relation), None)


def _attributes(given: Any) -> Any:
    # feedparser keeps an element it does not know by its attributes, unless it has text.
    return given if isinstance(given, dict) else {}
