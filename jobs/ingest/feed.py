"""A feed as it was read, whatever its format: before cleaning and recognising."""

from datetime import datetime, timedelta

from msgspec import Struct


class NotAFeed(ValueError):
    """The bytes are no feed; the message says what they seem to be."""


class RawEntry(Struct, frozen=True, kw_only=True):
    """One entry; texts are as the source wrote them."""

    guid: str | None = None
    link: str | None = None
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
    published_at: datetime | None = None
    # What it answers (RFC 4685): a GUID, and perhaps a link.
    answers_ref: str | None = None
    answers_link: str | None = None
    base: str = ""


class RawFeed(Struct, frozen=True, kw_only=True):
    """What a feed says of itself, and its entries in its own order."""

    title: str | None = None
    site: str | None = None
    language: str | None = None
    licence: str | None = None
    # How long the feed asks to be left alone.
    pause: timedelta | None = None
    entries: tuple[RawEntry, ...] = ()
