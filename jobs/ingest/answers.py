"""What came of asking an address, and what its headers ask for."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeAlias
from urllib.parse import urljoin

from msgspec import Struct

MAX_VALIDATOR = 500
_MAX_AGE = re.compile(r"\bmax-age\s*=\s*(\d{1,9})")
# Bounded in every part, as headers are written by strangers.
_LINK = re.compile(r"<([^<>]{1,2000})>\s*((?:;[^,<]{0,300}){0,8})")
_REL = re.compile(r";\s*rel\s*=\s*\"?([a-z\s]{1,100})", re.IGNORECASE)
_MOST_LINKS = 8000


class Page(Struct, frozen=True, kw_only=True):
    """What was there."""

    status: int
    url: str
    content: bytes
    content_type: str
    etag: str | None
    last_modified: str | None
    pause: timedelta | None
    # Where it is, when every redirect on the way there was for good.
    moved_to: str | None = None
    # Of the Link headers (RFC 8288), by what they stand for.
    links: Mapping[str, str] = {}
    seconds: float = 0.0


class NotModified(Struct, frozen=True, kw_only=True):
    """What was there before is there still."""

    status: int
    pause: timedelta | None
    etag: str | None = None
    last_modified: str | None = None
    moved_to: str | None = None
    seconds: float = 0.0


class NotFetched(Struct, frozen=True, kw_only=True):
    """Nothing could be had; the reason is a sentence."""

    reason: str
    status: int | None = None
    pause: timedelta | None = None
    seconds: float = 0.0


class NoTurnYet(Struct, frozen=True):
    """Its host is not to be asked now; nothing was asked."""

    wait: timedelta


Answered: TypeAlias = Page | NotModified | NotFetched | NoTurnYet


def validators(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Give what may be sent back next time: nothing where the answer is not to be kept."""
    kept_not = "no-store" in headers.get("cache-control", "").lower()
    if kept_not or headers.get("expires", "").strip() == "0":
        return None, None
    return _short(headers.get("etag")), _short(headers.get("last-modified"))


def pause(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Say how long the host wants to be left alone: the longest of what its headers ask for."""
    asked = [
        after(headers.get("retry-after"), now),
        after(headers.get("expires"), now),
        _max_age(headers.get("cache-control")),
    ]
    return max((each for each in asked if each is not None), default=None)


def after(value: str | None, now: datetime) -> timedelta | None:
    """Read a header that is a moment, or a number of seconds."""
    if not value:
        return None
    if value.strip().isdigit():
        return timedelta(seconds=min(int(value.strip()[:10]), 10**9))
    try:
        moment = parsedate_to_datetime(value)
        return max(moment - now, timedelta()) if moment.tzinfo else None
    except (ValueError, OverflowError, TypeError):
        return None


def links(header: str | None, base: str) -> dict[str, str]:
    """Read Link headers: the first address for each thing that one stands for."""
    found: dict[str, str] = {}
    for each in _LINK.finditer((header or "")[:_MOST_LINKS]):
        said = _REL.search(each[2])
        for relation in said[1].lower().split() if said else ():
            try:
                found.setdefault(relation, urljoin(base, each[1].strip()))
            except ValueError:
                continue
    return found


def _short(value: str | None) -> str | None:
    """Keep what is sent back next time, unless it is unreasonably long."""
    return value if value and len(value) <= MAX_VALIDATOR else None


def _max_age(value: str | None) -> timedelta | None:
    found = _MAX_AGE.search(value.lower()) if value else None
    return timedelta(seconds=int(found[1])) if found else None
