"""What a source is, when it is asked again, and which addresses can be one."""

from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from msgspec import Meta, Struct

from server.kernel.problems import Conflict, Malformed

MAX_URL = 2000
SOONEST = timedelta(minutes=5)
LATEST = timedelta(hours=24)
# What a source is given that says nothing of itself and publishes nothing.
USUAL = timedelta(minutes=30)
FIRST_ERROR = timedelta(minutes=5)

Text = Annotated[str, Meta(min_length=1, max_length=200)]


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


class Fetched(Struct, frozen=True, kw_only=True):
    """A refresh that went well: what was there, and when to come back."""

    about: About
    status: int
    etag: str | None
    last_modified: str | None
    new_items: int
    next_check_at: datetime


class Failed(Struct, frozen=True, kw_only=True):
    """A refresh that did not: why, in a sentence, and when to try again."""

    reason: str
    status: int | None
    next_check_at: datetime


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


def next_check(now: datetime, *, weekly: int, asked: timedelta | None) -> datetime:
    """Say when a source that answered is asked again.

    As often as it usually publishes, but no sooner than it asks for, and at least once a day.
    """
    usual = timedelta(days=7) / weekly if weekly else USUAL
    pause = max(min(usual, USUAL), asked or SOONEST, SOONEST)
    return now + min(pause, LATEST)


def after_error(now: datetime, *, errors: int, asked: timedelta | None) -> datetime:
    """Say when a source that failed so often in a row is tried again: less and less often.

    It is never given up: whoever repairs a feed need not know of us.
    """
    pause: timedelta = FIRST_ERROR * 2 ** min(max(errors, 1) - 1, 10)
    return now + min(max(pause, asked or SOONEST), LATEST)
