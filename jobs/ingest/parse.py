"""What an address answered to entries: cleaned, dated, told apart and recognisable."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from jobs.ingest import bodies, clean, jsonfeed, language, sitemap, webpage, xmlfeed
from jobs.ingest.feed import Adapter, Document, NotAFeed, RawEntry, RawFeed
from jobs.ingest.links import url_digest
from server.items import (
    MAX_BODY_HTML,
    MAX_BODY_TEXT,
    MAX_TITLE,
    Answers,
    Chapter,
    Entry,
    Kind,
)
from server.sources import SourceKind

# A title that only repeats how the text begins makes the entry a short post, unless it is long.
SHORT_POST = 600
MAX_NAME = 100
MAX_TAGS = 10
MAX_TAG = 60
MAX_LANGUAGE = 20
EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)
# In the order in which they are asked whether it is theirs.
ADAPTERS: tuple[Adapter, ...] = (jsonfeed, sitemap, webpage, xmlfeed)
_ADDRESS = re.compile(r"(?:mailto:)?[^\s()<>\[\]\"]+@[^\s()<>\[\]\"]+")


class Feed(Struct, frozen=True, kw_only=True):
    """A document, read: what it says of itself and what is in it."""

    kind: SourceKind
    title: str | None
    site_url: str | None
    language: str | None
    licence: str | None
    pause: timedelta | None
    entries: tuple[Entry, ...]
    hub: str | None = None
    topic: str | None = None
    feeds: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    # Entries in which there was nothing to show.
    empty: int = 0


class Given(Struct, frozen=True, kw_only=True):
    """What is known of a source besides its feed, and stands where that says nothing."""

    url: str
    content_type: str = ""
    category: str | None = None
    language: str | None = None
    # What it is to be: a page is no feed, unless it may be either.
    wanted: SourceKind = "feed"


def read(content: bytes, given: Given, now: datetime) -> Feed:
    """Read a document of any format.

    Raises:
        NotAFeed: it is none of what is wanted; nothing else is ever raised, whatever it is.

    """
    try:
        content = bodies.opened(content)
    except bodies.TooLarge as refusal:
        raise NotAFeed("It is packed, and too large unpacked.") from refusal
    except bodies.NotUnpacked as refusal:
        raise NotAFeed(f"It cannot be read: {refusal}.") from refusal
    kind, raw = _raw(Document(content=content, url=given.url, content_type=given.content_type))
    if kind == "page" and given.wanted not in {"auto", "page"}:
        raise NotAFeed(webpage.named(raw))
    several = _repeated(each.guid for each in raw.entries)
    entries = [_entry(each, given, now, several) for each in raw.entries]
    kept = tuple(each for each in entries if each is not None)
    return Feed(
        kind=kind,
        title=clean.line(raw.title, most=MAX_TITLE),
        site_url=clean.link(raw.site, base=given.url),
        language=_language(raw.language),
        licence=clean.line(raw.licence, most=MAX_TITLE),
        pause=raw.pause,
        entries=kept,
        hub=clean.link(raw.hub, base=given.url),
        topic=clean.link(raw.topic, base=given.url),
        feeds=tuple(each for link in raw.feeds if (each := clean.link(link, base=given.url))),
        parts=tuple(each for link in raw.parts if (each := clean.link(link, base=given.url))),
        empty=len(entries) - len(kept),
    )


def _raw(document: Document) -> tuple[SourceKind, RawFeed]:
    adapter = next(each for each in ADAPTERS if each.looks_like(document))
    return adapter.KIND, adapter.read(document)


def _repeated(guids: Iterable[str | None]) -> set[str]:
    """Give the GUIDs that a feed uses for more than one entry, so that they tell nothing alone."""
    return {guid for guid, count in Counter(guids).items() if guid is not None and count > 1}


def _entry(raw: RawEntry, given: Given, now: datetime, several: set[str]) -> Entry | None:
    base = clean.link(raw.base, base=given.url) or given.url
    link = clean.link(raw.link, base=base)
    title = _title(raw)
    body_html, body_text = _body(raw, link or base)
    video, audio = clean.link(raw.video, base=base), clean.link(raw.audio, base=base)
    kind = _kind(raw, title, body_text, video=video, audio=audio)
    if kind == "TWEET":
        title = None
    if not (title or body_text or video or audio or (raw.partial and link)):
        return None
    tags = _tags(raw.tags)
    image = clean.link(raw.image, base=base) or clean.link(clean.first_image(body_html), base=base)
    digested = [title or "", body_text, body_html, video or "", link or ""]
    return Entry(
        digest=_identity(raw, link, title, body_text, several),
        content_digest=_digest(*digested, *([audio] if audio else [])),
        url_digest=url_digest(clean.link(raw.canonical, base=base) or link),
        kind=kind,
        title=title,
        body_text=body_text,
        body_html=body_html,
        url=link,
        image_url=image,
        video_url=video,
        audio_url=audio,
        duration_sec=raw.duration_sec if video or audio else None,
        chapters=_chapters(raw, base),
        author_name=_name(raw.author),
        # A short post's tags are words of its own; an article's are the topics of its paper.
        category=given.category or (tags[0] if tags and kind != "TWEET" else None),
        language=given.language
        or language.of(f"{title or ''} {body_text}", _language(raw.language)),
        tags=tags,
        published_at=_date(raw.published_at, now),
        answers=_answers(raw, base),
        partial=raw.partial,
    )


def _title(raw: RawEntry) -> str | None:
    if raw.title_is_html:
        return clean.line(raw.title, most=MAX_TITLE)
    return " ".join(clean.plain(raw.title or "", most=MAX_TITLE).split()) or None


def _body(raw: RawEntry, base: str) -> tuple[str, str]:
    """Give the body as HTML and as text: the content, or else the summary."""
    written, is_html = raw.body, raw.body_is_html
    if not written:
        written, is_html = raw.summary, raw.summary_is_html
    if is_html:
        shown = clean.html(written, base=base, most=MAX_BODY_HTML)
        return shown, clean.text(written, most=MAX_BODY_TEXT)
    body_text = clean.plain(written, most=MAX_BODY_TEXT)
    return clean.html_of(body_text), body_text


def _kind(
    raw: RawEntry, title: str | None, body_text: str, *, video: str | None, audio: str | None
) -> Kind:
    if video is not None or raw.is_video:
        return "VIDEO"
    if audio is not None:
        return "AUDIO"
    if raw.partial or raw.is_article:
        return "ARTICLE"
    if title is None:
        return "TWEET"
    start = " ".join(title.rstrip("….").split())
    body = " ".join(body_text.split())
    repeats = bool(start) and body.startswith(start) and len(body) <= SHORT_POST
    return "TWEET" if repeats else "ARTICLE"


def _chapters(raw: RawEntry, base: str) -> tuple[Chapter, ...]:
    found = (
        (each, clean.line(each.title, most=MAX_TITLE), clean.link(each.url, base=base))
        for each in raw.chapters
    )
    return tuple(Chapter(each.start_sec, title, link) for each, title, link in found if title)


def _identity(
    raw: RawEntry, link: str | None, title: str | None, body_text: str, several: set[str]
) -> bytes:
    """Digest what makes an entry itself: its GUID, else its link, else what it says.

    A GUID that the feed gives to several entries tells them apart only with the link beside it.
    """
    guid = raw.guid.strip() if raw.guid else None
    if guid and raw.guid not in several:
        return guid_digest(guid)
    if guid and link:
        return _digest("guid and link", guid, link)
    if link and not guid:
        return guid_digest(link)
    return _digest("text", guid or "", title or "", body_text)


def guid_digest(guid: str) -> bytes:
    """Digest a GUID; a link that serves as one is digested alike, so that answers find both."""
    return _digest("guid", guid)


def _digest(*parts: str) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "replace")
        digest.update(len(encoded).to_bytes(8))
        digest.update(encoded)
    return digest.digest()


def _answers(raw: RawEntry, base: str) -> Answers | None:
    ref = (raw.answers_ref or "").strip()
    link = clean.link(raw.answers_link, base=base) or clean.link(ref, base="")
    if not ref and link is None:
        return None
    return Answers(guid_digest(ref or link or ""), url_digest(link))


def _tags(given: Sequence[str]) -> tuple[str, ...]:
    found = (clean.line(each, most=MAX_TAG) for each in given[: 5 * MAX_TAGS])
    return tuple(dict.fromkeys(each for each in found if each))[:MAX_TAGS]


def _name(given: str | None) -> str | None:
    """Give a person's name; an e-mail address is none and is not kept."""
    name = clean.line(_ADDRESS.sub(" ", given or ""), most=MAX_NAME)
    return name.strip(" <>()[],;:\"'") or None if name else None


def _language(given: str | None) -> str | None:
    found = clean.line(given, most=MAX_LANGUAGE)
    return found.lower() if found and re.fullmatch(r"[A-Za-z]{2,8}([-_]\w{1,8})*", found) else None


def _date(given: datetime | None, now: datetime) -> datetime:
    """Give the date, or now where there is none or it cannot be meant."""
    return given if given is not None and given >= EARLIEST else now


__all__ = ["Feed", "Given", "NotAFeed", "guid_digest", "read"]
