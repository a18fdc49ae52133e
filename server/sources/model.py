"""What a source is, when it is asked again, and which addresses can be one."""

from datetime import datetime, timedelta
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID

from msgspec import Meta, Struct

from server.kernel.problems import Conflict, Malformed

MAX_URL = 2000
SOONEST = timedelta(minutes=5)
LATEST = timedelta(hours=24)
WEEK = timedelta(days=7)
# For a source that publishes nothing, as far as is known.
QUIET = timedelta(hours=2)
# A source whose hub tells us is asked besides now and then, for hubs forget.
BESIDES_PUSHES = timedelta(hours=6)
FIRST_ERROR = timedelta(minutes=5)
# An address is taken for the source's new one when so many fetches in a row were sent there.
MOVED_FOR_GOOD = 2
JITTER = 0.1

Text = Annotated[str, Meta(min_length=1, max_length=200)]
# `auto` until the first answer has shown what there is.
SourceKind: TypeAlias = Literal["auto", "feed", "sitemap", "page"]
Outcome: TypeAlias = Literal["taken", "unchanged", "failed", "pushed", "retired"]


class SourceExists(Conflict):
    """The address is a source already."""


class Unreadable(Malformed):
    """There is no feed to be read at this address."""


class NewSource(Struct, frozen=True, forbid_unknown_fields=True):
    """A source to be added."""

    url: Annotated[str, Meta(min_length=1, max_length=MAX_URL)]
    title: Text | None = None
    category: Text | None = None
    language: Annotated[str, Meta(max_length=20)] | None = None
    kind: SourceKind = "auto"


class Source(Struct, frozen=True, kw_only=True):
    """A source, with how its last refresh went."""

    id: UUID
    url: str
    title: str
    site_url: str | None
    category: str | None
    language: str | None
    licence: str | None
    enabled: bool
    demo: bool
    etag: str | None
    last_modified: str | None
    next_check_at: datetime
    last_fetch_at: datetime | None
    last_success_at: datetime | None
    last_status: int | None
    last_error: str | None
    error_count: int
    item_count: int
    created_at: datetime
    host: str
    kind: SourceKind
    first_success_at: datetime | None
    # Where fetches are sent for good, and how many in a row were.
    moved_to: str | None
    moved_count: int
    # Asked no more, and the sentence that says why.
    retired_at: datetime | None
    notice: str | None
    # What it published in the last week, as of the last refresh.
    weekly: int


class File(Struct, frozen=True):
    """A feed that came as a file, and how often somebody has begun to take it in."""

    content: bytes
    attempts: int
    given_at: datetime


class About(Struct, frozen=True, kw_only=True):
    """What a feed says of itself."""

    title: str | None = None
    site_url: str | None = None
    language: str | None = None
    licence: str | None = None


class Cost(Struct, frozen=True):
    """What a fetch took."""

    seconds: float = 0.0
    bytes: int = 0


class Fetched(Struct, frozen=True, kw_only=True):
    """A refresh that went well: what was there, and when to come back."""

    about: About
    status: int
    etag: str | None
    last_modified: str | None
    new_items: int
    next_check_at: datetime
    outcome: Outcome = "taken"
    edited_items: int = 0
    weekly: int = 0
    kind: SourceKind | None = None
    # Where the feed was found, when the address that was given is that of a page which names it.
    found_at: str | None = None
    # Where the answer came from, when every redirect on the way there was for good.
    moved_to: str | None = None
    cost: Cost = Cost()


class Failed(Struct, frozen=True, kw_only=True):
    """A refresh that did not: why, in a sentence, and when to try again."""

    reason: str
    status: int | None
    next_check_at: datetime
    # It says itself that it will not come back.
    gone: bool = False
    cost: Cost = Cost()


class Fetch(Struct, frozen=True, kw_only=True):
    """One line of a source's history."""

    at: datetime
    outcome: Outcome
    status: int | None
    reason: str | None
    seconds: float
    bytes: int
    new_items: int
    edited_items: int


class Subscription(Struct, frozen=True, kw_only=True):
    """What was agreed with a source's hub."""

    source_id: UUID
    hub: str
    topic: str
    secret: str
    state: Literal["wanted", "active", "denied"]
    ask_at: datetime | None
    attempts: int
    expires_at: datetime | None
    pushed_at: datetime | None
    error: str | None

    def holds(self, now: datetime) -> bool:
        """Say whether the hub tells us of what is new."""
        return self.state == "active" and self.expires_at is not None and self.expires_at > now


class PreviewEntry(Struct, frozen=True, kw_only=True):
    """One thing that an address would bring."""

    type: str
    title: str | None
    text: str
    url: str | None
    image_url: str | None
    author: str | None
    language: str | None
    published_at: datetime


class Preview(Struct, frozen=True, kw_only=True):
    """What an address would bring, looked at without keeping anything."""

    # Where it was found, which is what is added.
    url: str
    kind: SourceKind | None = None
    title: str | None = None
    site_url: str | None = None
    language: str | None = None
    licence: str | None = None
    hub: str | None = None
    entries: list[PreviewEntry] = []
    count: int = 0
    # Other feeds that the page names.
    others: list[str] = []
    # Why there is nothing, in a sentence.
    error: str | None = None


def check_url(url: str) -> str:
    """Give the address in the one spelling that is stored.

    Raises:
        Malformed: it is not the address of something that can be fetched.

    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Malformed(f"{url[:80]!r} is not an address: {error}.") from error
    if parts.scheme.lower() not in {"http", "https"} or not host:
        raise Malformed(f"{url[:80]!r} is not an address: it must begin with http:// or https://.")
    if parts.username or parts.password:
        raise Malformed("An address with a password in it cannot be a source.")
    usual = {"http": 80, "https": 443}[parts.scheme.lower()]
    shown = f"[{host}]" if ":" in host else host
    netloc = shown if port in {None, usual} else f"{shown}:{port}"
    return parts._replace(
        scheme=parts.scheme.lower(), netloc=netloc, path=parts.path or "/", fragment=""
    ).geturl()


def host_of(url: str) -> str:
    """Give the host that answers for an address, by which politeness is counted."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def next_check(
    now: datetime,
    *,
    weekly: int,
    asked: timedelta | None,
    pushed: bool = False,
    chance: float = 0.0,
) -> datetime:
    """Say when a source that answered is asked again; `chance`, from 0 to 1, spreads them.

    Twice as often as it publishes, but no sooner than it asks for, and at least once a day. One
    whose hub tells us of what is new is asked only to see that nothing was missed.
    """
    usual = WEEK / (2 * weekly) if weekly else QUIET
    pause = max(usual, asked or SOONEST, SOONEST)
    if pushed:
        pause = max(pause, BESIDES_PUSHES)
    return now + _spread(pause, chance)


def after_error(
    now: datetime, *, errors: int, asked: timedelta | None, chance: float = 0.0
) -> datetime:
    """Say when a source that failed so often in a row is tried again: less and less often.

    It is never given up: whoever repairs a feed need not know of us.
    """
    pause: timedelta = FIRST_ERROR * 2 ** min(max(errors, 1) - 1, 10)
    return now + _spread(max(pause, asked or SOONEST), chance)


def _spread(pause: timedelta, chance: float) -> timedelta:
    """Put a moment off a little, by chance: sources added together are not asked together."""
    later = pause * (1 + JITTER * chance)
    return later if later <= LATEST else LATEST * (1 - JITTER * chance)
