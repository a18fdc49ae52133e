"""Sitemaps, those for news and those that name others: which pages a site has."""

from datetime import UTC, datetime
from io import BytesIO
from typing import TypeAlias
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from jobs.ingest import depth
from jobs.ingest.feed import Document, NotAFeed, RawEntry, RawFeed
from server.sources import SourceKind

KIND: SourceKind = "sitemap"
# The protocol's own bound; of them the latest are taken.
MOST_READ = 50_000
MOST_TAKEN = 500
MOST_PARTS = 50
_HEAD = 2048
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)

_Told: TypeAlias = dict[str, list[str]]


def looks_like(document: Document) -> bool:
    """Whether a document's first element is that of a sitemap or of a list of them."""
    head = document.content[:_HEAD].lower()
    return b"<urlset" in head or b"<sitemapindex" in head


def read(document: Document) -> RawFeed:
    """Read a sitemap.

    Raises:
        NotAFeed: it cannot be read.

    """
    if depth.of(document.content) > depth.MOST:
        raise NotAFeed(f"Its elements stand in one another more than {depth.MOST} deep.")
    pages: list[tuple[datetime, _Told]] = []
    parts: list[tuple[datetime, str]] = []
    try:
        for name, told in _blocks(document.content):
            where = (told.get("loc") or [""])[0]
            moment = _moment(told.get("publication_date")) or _moment(told.get("lastmod"))
            if where and name == "url":
                pages.append((moment or _EARLIEST, told))
            elif where and name == "sitemap":
                parts.append((moment or _EARLIEST, where))
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        if not pages and not parts:
            raise NotAFeed(f"It is a sitemap that cannot be read: {error}.") from error
        # What was read before it broke off is as good as ever.
    latest = sorted(pages, key=lambda pair: pair[0], reverse=True)[:MOST_TAKEN]
    return RawFeed(
        title=next((told["name"][0] for _, told in latest if told.get("name")), None),
        entries=tuple(_entry(moment, told, document.url) for moment, told in latest),
        parts=tuple(where for _, where in sorted(parts, reverse=True)[:MOST_PARTS]),
    )


def _blocks(content: bytes) -> "list[tuple[str, _Told]]":
    """Read the blocks of a sitemap, each with the texts of what is in it by local name."""
    found: list[tuple[str, _Told]] = []
    told: _Told = {}
    root: Element | None = None
    for event, element in iterparse(BytesIO(content), events=("start", "end")):
        root = element if root is None else root
        name = element.tag.rpartition("}")[2].lower()
        if event == "start":
            if name in {"url", "sitemap"}:
                told = {}
        elif name in {"url", "sitemap"}:
            found.append((name, told))
            # Nothing of what was read is kept twice.
            root.clear()
            if len(found) >= MOST_READ:
                break
        elif element.text and element.text.strip():
            # A picture's own `loc` is told as that of the picture.
            key = "image" if name == "loc" and "image" in element.tag else name
            told.setdefault(key, []).append(element.text.strip())
    return found


def _entry(moment: datetime, told: _Told, base: str) -> RawEntry:
    def first(name: str) -> str | None:
        return next(iter(told.get(name) or ()), None)

    return RawEntry(
        link=first("loc"),
        title=first("title"),
        title_is_html=False,
        language=first("language"),
        tags=tuple(each.strip() for each in (first("keywords") or "").split(",") if each.strip()),
        image=first("image") or first("thumbnail_loc"),
        video=first("content_loc"),
        published_at=moment if moment > _EARLIEST else None,
        base=base,
        partial=True,
    )


def _moment(given: list[str] | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat((given or [""])[0])
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
