"""Fetches what a source has: politely, within bounds, and from the public network only."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

import httpcore2
import httpx2
from msgspec import Struct

from jobs.ingest.addresses import NotPublic, PinnedBackend

MAX_BYTES = 15 * 1024 * 1024
# A body that unpacks to this many times what came over the wire was made to do so.
MAX_RATIO = 200
RATIO_FROM_BYTES = 1024 * 1024
MAX_REDIRECTS = 5
CONNECT_SECONDS = 10.0
READ_SECONDS = 20.0
TOTAL_SECONDS = 60.0
MAX_VALIDATOR = 500

ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, "
    "application/xml;q=0.9, application/json;q=0.8, text/xml;q=0.8, */*;q=0.1"
)
_MAX_AGE = re.compile(r"\bmax-age\s*=\s*(\d{1,9})")


class Page(Struct, frozen=True, kw_only=True):
    """What was there."""

    status: int
    url: str
    content: bytes
    content_type: str
    etag: str | None
    last_modified: str | None
    pause: timedelta | None


class NotModified(Struct, frozen=True, kw_only=True):
    """What was there before is there still."""

    status: int
    pause: timedelta | None


class NotFetched(Struct, frozen=True, kw_only=True):
    """Nothing could be had; the reason is a sentence."""

    reason: str
    status: int | None = None
    pause: timedelta | None = None


class _TooLarge(Exception):
    """The body passes its bound."""


class Fetcher:
    """Fetches for one worker process, one request at a time to each host."""

    def __init__(self, *, private: bool, public_url: str | None) -> None:
        self._private = private
        contact = f"; +{public_url}" if public_url else ""
        self._agent = f"Lumen/{_version()} (feed reader{contact})"
        self._hosts: dict[str, tuple[asyncio.Lock, int]] = {}

    async def fetch(
        self, url: str, *, etag: str | None, last_modified: str | None, now: datetime
    ) -> Page | NotModified | NotFetched:
        """Fetch an address unless it is what it was; never raises for what the network does."""
        headers = {"user-agent": self._agent, "accept": ACCEPT, "accept-encoding": "gzip, deflate"}
        if etag:
            headers["if-none-match"] = etag
        if last_modified:
            headers["if-modified-since"] = last_modified
        try:
            async with asyncio.timeout(TOTAL_SECONDS), self._turn(url):
                return await self._get(url, headers, now)
        except TimeoutError:
            return NotFetched(reason=f"It did not answer in full within {TOTAL_SECONDS:.0f} s.")
        except NotPublic as refusal:
            return NotFetched(reason=f"It is not fetched: {refusal}")
        except _TooLarge:
            return NotFetched(reason=f"It is larger than {MAX_BYTES // 1024 // 1024} MB.")
        except httpx2.TooManyRedirects:
            return NotFetched(reason=f"It redirects more than {MAX_REDIRECTS} times.")
        except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError, UnicodeError) as error:
            said = str(error) or type(error).__name__
            return NotFetched(reason=f"It could not be fetched: {said[:200]}.")

    async def _get(
        self, url: str, headers: dict[str, str], now: datetime
    ) -> Page | NotModified | NotFetched:
        async with (
            httpx2.AsyncClient(
                transport=_PinnedTransport(private=self._private),
                trust_env=False,
                follow_redirects=True,
                max_redirects=MAX_REDIRECTS,
                timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            ) as client,
            client.stream("GET", url, headers=headers) as response,
        ):
            pause = _pause(response.headers, now)
            if response.status_code == httpx2.codes.NOT_MODIFIED:
                return NotModified(status=304, pause=pause)
            if not response.is_success:
                reason = f"It answers {response.status_code} {response.reason_phrase}".rstrip()
                return NotFetched(reason=f"{reason}.", status=response.status_code, pause=pause)
            return Page(
                status=response.status_code,
                url=str(response.url),
                content=await _body(response),
                content_type=response.headers.get("content-type", ""),
                etag=_validator(response.headers.get("etag")),
                last_modified=_validator(response.headers.get("last-modified")),
                pause=pause,
            )

    @asynccontextmanager
    async def _turn(self, url: str) -> AsyncIterator[None]:
        """Wait until nothing else of this process asks the same host."""
        host = urlsplit(url).hostname or ""
        lock, users = self._hosts.get(host, (asyncio.Lock(), 0))
        self._hosts[host] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            users = self._hosts[host][1] - 1
            if users:
                self._hosts[host] = (lock, users)
            else:
                del self._hosts[host]


class _PinnedTransport(httpx2.AsyncHTTPTransport):
    """The client's usual transport over a backend that looks at every address."""

    def __init__(self, *, private: bool) -> None:
        context = _tls()
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=2,
            max_keepalive_connections=0,
            network_backend=PinnedBackend(private=private),
        )


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=False)


def _version() -> str:
    try:
        return version("lumen")
    except PackageNotFoundError:
        return "0"


async def _body(response: httpx2.Response) -> bytes:
    """Read a body that stays within its bounds, as sent and unpacked.

    Raises:
        _TooLarge: it does not.

    """
    declared = response.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > MAX_BYTES:
        raise _TooLarge
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        packed = max(response.num_bytes_downloaded, 1)
        swollen = len(body) > RATIO_FROM_BYTES and len(body) > packed * MAX_RATIO
        if len(body) > MAX_BYTES or swollen:
            raise _TooLarge
    return bytes(body)


def _validator(value: str | None) -> str | None:
    """Keep what is sent back next time, unless it is unreasonably long."""
    return value if value and len(value) <= MAX_VALIDATOR else None


def _pause(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Say how long the host wants to be left alone: the longest of what its headers ask for."""
    asked = [
        _after(headers.get("retry-after"), now),
        _after(headers.get("expires"), now),
        _max_age(headers.get("cache-control")),
    ]
    return max((each for each in asked if each is not None), default=None)


def _after(value: str | None, now: datetime) -> timedelta | None:
    if not value:
        return None
    if value.strip().isdigit():
        return timedelta(seconds=min(int(value), 10**9))
    try:
        moment = parsedate_to_datetime(value)
        return max(moment - now, timedelta()) if moment.tzinfo else None
    except (ValueError, OverflowError, TypeError):
        return None


def _max_age(value: str | None) -> timedelta | None:
    found = _MAX_AGE.search(value.lower()) if value else None
    return timedelta(seconds=int(found[1])) if found else None
