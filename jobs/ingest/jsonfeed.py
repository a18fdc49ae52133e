"""JSON Feed 1.0 and 1.1, entry by entry: one that is broken costs only itself."""

from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct

from jobs.ingest.feed import Document, NotAFeed, RawEntry, RawFeed
from server.sources import SourceKind

KIND: SourceKind = "feed"

Word: TypeAlias = str | int | float


class _Author(Struct, frozen=True):
    name: str | None = None


class _Attachment(Struct, frozen=True):
    url: str
    mime_type: str = ""
    duration_in_seconds: float | None = None


class _Answered(Struct, frozen=True):
    """Our own reading of RFC 4685 in an extension, as no part of JSON Feed has it."""

    ref: str | None = None
    url: str | None = None


class _Item(Struct, frozen=True):
    id: Word | None = None
    url: str | None = None
    external_url: str | None = None
    title: str | None = None
    content_html: str | None = None
    content_text: str | None = None
    summary: str | None = None
    image: str | None = None
    banner_image: str | None = None
    date_published: str | None = None
    date_modified: str | None = None
    language: str | None = None
    author: _Author | None = None
    authors: tuple[_Author, ...] = ()
    tags: tuple[str, ...] = ()
    attachments: tuple[_Attachment, ...] = ()
    in_reply_to: _Answered | None = msgspec.field(default=None, name="_in_reply_to")


class _Licence(Struct, frozen=True):
    note: str | None = None
    about: str | None = None


class _Hub(Struct, frozen=True):
    type: str = ""
    url: str | None = None


class _Feed(Struct, frozen=True):
    version: str = ""
    title: str | None = None
    home_page_url: str | None = None
    feed_url: str | None = None
    hubs: tuple[_Hub, ...] = ()
    language: str | None = None
    author: _Author | None = None
    authors: tuple[_Author, ...] = ()
    licence: _Licence | None = msgspec.field(default=None, name="_licence")
    items: tuple[Raw, ...] = ()


class _Least(Struct, frozen=True):
    """What must be right for it to be a feed at all."""

    version: str = ""
    items: tuple[Raw, ...] = ()


def looks_like(document: Document) -> bool:
    """Whether a document begins as a JSON object does."""
    return document.content[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"


def read(document: Document) -> RawFeed:
    """Read a JSON Feed.

    Raises:
        NotAFeed: it is JSON, or almost, but no feed.

    """
    try:
        found = _decoded(document.content)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise NotAFeed(f"It is JSON but no feed: {error}.") from error
    if "jsonfeed.org" not in found.version:
        raise NotAFeed("It is JSON, but does not say that it is a JSON Feed.")
    licence = found.licence
    entries = (_entry(each, found, document.url) for each in found.items)
    return RawFeed(
        title=found.title,
        site=found.home_page_url,
        language=found.language,
        licence=(licence.note or licence.about) if licence else None,
        hub=next((each.url for each in found.hubs if each.type.lower() == "websub"), None),
        topic=found.feed_url,
        entries=tuple(each for each in entries if each is not None),
    )


def _decoded(content: bytes) -> _Feed:
    content = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").encode()
    try:
        return msgspec.json.decode(content, type=_Feed)
    except msgspec.ValidationError:
        least = msgspec.json.decode(content, type=_Least)
        return _Feed(version=least.version, items=least.items)


def _entry(raw: Raw, feed: _Feed, base: str) -> RawEntry | None:
    try:
        item = msgspec.json.decode(raw, type=_Item)
    except (msgspec.DecodeError, RecursionError):
        return None
    authors = item.authors or ((item.author,) if item.author else ()) or feed.authors
    authors = authors or ((feed.author,) if feed.author else ())
    answered = item.in_reply_to or _Answered()
    return RawEntry(
        guid=_word(item.id),
        link=item.url or item.external_url,
        title=item.title,
        title_is_html=False,
        body=item.content_html or item.content_text or "",
        body_is_html=item.content_html is not None,
        summary=item.summary or "",
        summary_is_html=False,
        author=next((each.name for each in authors if each and each.name), None),
        language=item.language or feed.language,
        tags=item.tags,
        image=item.image or item.banner_image or _attached(item, "image/"),
        video=_attached(item, "video/"),
        audio=_attached(item, "audio/"),
        duration_sec=next(
            (each.duration_in_seconds for each in item.attachments if each.duration_in_seconds),
            None,
        ),
        published_at=_moment(item.date_published) or _moment(item.date_modified),
        answers_ref=answered.ref,
        answers_link=answered.url,
        base=base,
    )


def _word(given: Any) -> str | None:
    if given is None:
        return None
    # 1.0 and 1 are one id, however a generator spells it.
    return str(int(given)) if isinstance(given, float) and given.is_integer() else str(given)


def _attached(item: _Item, kind: str) -> str | None:
    return next((each.url for each in item.attachments if each.mime_type.startswith(kind)), None)


def _moment(given: str | None) -> datetime | None:
    if not given:
        return None
    try:
        moment = datetime.fromisoformat(given.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
