"""What hosts ask of robots (RFC 9309), for pages that nobody publishes as a feed."""

from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct
from protego import Protego
from redis.asyncio import Redis

from jobs.ingest.answers import NotFetched, NoTurnYet, Page
from jobs.ingest.fetch import TOKEN, Ask, Fetcher
from jobs.ingest.turns import NoTurn

KEPT_SECONDS = 12 * 3600
KEPT_UNREACHED_SECONDS = 600
MOST_BYTES = 512 * 1024
_MOST_LINE = 1000
# Each star of a rule multiplies what matching it may cost.
_MOST_STARS = 6
_NOTHING = b"User-agent: *\nDisallow: /\n"
_CLIENT_ERROR, _SERVER_ERROR = 400, 500


class Rules(Struct, frozen=True):
    """What a host asks of us."""

    may: bool
    spacing_seconds: float = 0.0
    sitemaps: tuple[str, ...] = ()


class Robots:
    """Knows the robots.txt of hosts, fetched politely and kept for half a day by all workers."""

    def __init__(self, redis: Redis, fetcher: Fetcher) -> None:
        self._redis = redis
        self._fetcher = fetcher

    async def rules(self, url: str, now: datetime) -> Rules:
        """Say what the host of an address asks of us about it.

        Raises:
            NoTurn: its robots.txt is not known, and the host is not to be asked now.

        """
        parts = urlsplit(url)
        place = f"{parts.scheme}://{parts.netloc}"
        key = f"robots:{place}"
        content: Any = await self._redis.get(key)
        if content is None:
            content, seconds = await self._asked(place, now)
            await self._redis.set(key, content, ex=seconds)
        return _read(content, url)

    async def _asked(self, place: str, now: datetime) -> tuple[bytes, int]:
        ask = Ask(url=f"{place}/robots.txt", accept="text/plain, */*;q=0.1", most=4 * MOST_BYTES)
        match await self._fetcher.fetch(ask, now):
            case Page(content=content):
                return _bounded(content), KEPT_SECONDS
            case NoTurnYet(wait):
                raise NoTurn(wait)
            case NotFetched(status=int(status)) if _CLIENT_ERROR <= status < _SERVER_ERROR:
                # There are no rules.
                return b"", KEPT_SECONDS
        # Nobody knows what the rules are: until somebody does, nothing is allowed.
        return _NOTHING, KEPT_UNREACHED_SECONDS


def _bounded(content: bytes) -> bytes:
    lines = content[:MOST_BYTES].splitlines()
    return b"\n".join(
        each for each in lines if len(each) <= _MOST_LINE and each.count(b"*") <= _MOST_STARS
    )


def _read(content: bytes, url: str) -> Rules:
    rules = _parsed(content)
    return Rules(
        may=bool(rules.can_fetch(url, TOKEN)),
        spacing_seconds=float(rules.crawl_delay(TOKEN) or 0.0),
        sitemaps=tuple(rules.sitemaps)[:10],
    )


@lru_cache(maxsize=32)
def _parsed(content: bytes) -> Protego:
    return Protego.parse(content.decode("utf-8", "replace"))
