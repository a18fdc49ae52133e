"""A document as it was read, whatever its format: before cleaning and recognising."""

from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct

from server.sources import SourceKind


class NotAFeed(ValueError):
    """The bytes are no feed; the message says what they seem to be."""


class Document(Struct, frozen=True, kw_only=True):
    """What an address answered."""

    content: bytes
    url: str
    content_type: str = ""


class RawChapter(Struct, frozen=True):
    """Where in a recording something begins."""

    start_sec: float
    title: str
    url: str | None = None


class RawEntry(Struct, frozen=True, kw_only=True):
    """One entry; texts are as the source wrote them."""

    guid: str | None = None
    link: str | None = None
    # The address that the page itself says is its own.
    canonical: str | None = None
    title: str | None = None
    title_is_html: bool = True
    body: str = ""
    body_is_html: bool = True
    summary: str = ""
    summary_is_html: bool = True
    author: str | None = None
    language: str | None = None
    tags: tuple[str, ...] = ()
    image: str | None = None
    video: str | None = None
    audio: str | None = None
    # Its page shows a video, though the feed names no file.
    is_video: bool = False
    duration_sec: float | None = None
    chapters: tuple[RawChapter, ...] = ()
    published_at: datetime | None = None
    # What it answers (RFC 4685): a GUID, and perhaps a link.
    answers_ref: str | None = None
    answers_link: str | None = None
    base: str = ""
    # It is a page of its own, however short: no post of a few words.
    is_article: bool = False
    # Only that there is such a page, and little of what is on it.
    partial: bool = False


class RawFeed(Struct, frozen=True, kw_only=True):
    """What a document says of itself, and its entries in its own order."""

    title: str | None = None
    site: str | None = None
    language: str | None = None
    licence: str | None = None
    # How long the feed asks to be left alone.
    pause: timedelta | None = None
    # Who tells of what is new in it, and under which address (WebSub).
    hub: str | None = None
    topic: str | None = None
    # The feeds that a page names.
    feeds: tuple[str, ...] = ()
    # The sitemaps that a sitemap names, the latest first.
    parts: tuple[str, ...] = ()
    entries: tuple[RawEntry, ...] = ()


class Adapter(Protocol):
    """Reads the documents of one format; a module is one."""

    KIND: SourceKind

    def looks_like(self, document: Document) -> bool:
        """Whether a document is of this format, by how it begins."""
        ...

    def read(self, document: Document) -> RawFeed:
        """Read a document; `NotAFeed` when it is none after all."""
        ...
