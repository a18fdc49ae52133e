"""Fetches what a source has: politely, within bounds, and from the public network only."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urljoin, urlsplit

import httpcore2
import httpx2
from msgspec import Struct
from msgspec.structs import replace

from jobs.ingest import bodies
from jobs.ingest.addresses import NotPublic, PinnedBackend
from jobs.ingest.answers import (
    Answered,
    NotFetched,
    NotModified,
    NoTurnYet,
    Page,
    links,
    pause,
    validators,
)
from jobs.ingest.turns import NoTurn, Turns
from server.sources import host_of

MAX_REDIRECTS = 5
CONNECT_SECONDS = 10.0
READ_SECONDS = 20.0
TOTAL_SECONDS = 60.0
PATIENCE_SECONDS = 8.0
TOKEN = "Lumen"  # noqa: S105 - the name that robots.txt calls us by

FEEDS = (
    "application/atom+xml, application/rss+xml, application/feed+json, "
    "application/xml;q=0.9, application/json;q=0.8, text/xml;q=0.8, text/html;q=0.5, */*;q=0.1"
)
PAGES = "text/html, application/xhtml+xml, */*;q=0.1"
PICTURES = "image/webp, image/jpeg, image/png, image/*;q=0.5"
_FOR_GOOD = {301, 308}
_REDIRECTS = {301, 302, 303, 307, 308}
# Said of the whole host, not of one address of it.
_HOST_WIDE = {429, 503}
_PERHAPS_SECONDS = 60


class _Lost(Exception):
    """The redirects lead nowhere."""


class Ask(Struct, frozen=True, kw_only=True):
    """What is asked for, and how."""

    url: str
    # What came with the last answer.
    etag: str | None = None
    last_modified: str | None = None
    accept: str = FEEDS
    most: int = bodies.MAX_BYTES
    # How long a turn with the host is waited for.
    patience: float = PATIENCE_SECONDS
    # How often the host says it may be asked.
    spacing_seconds: float = 0.0

    def headers(self) -> dict[str, str]:
        """Give the headers that say it."""
        found = {"accept": self.accept}
        if self.etag:
            found["if-none-match"] = self.etag
        if self.last_modified:
            found["if-modified-since"] = self.last_modified
        return found


class Fetcher:
    """Fetches for one worker process; turns with hosts are shared with all others."""

    def __init__(self, turns: Turns, *, private: bool, public_url: str | None) -> None:
        self._turns = turns
        self._private = private
        contact = f"; +{public_url}" if public_url else ""
        self._agent = f"{TOKEN}/{_version()} (feed reader{contact})"

    async def fetch(self, ask: Ask, now: datetime) -> Answered:
        """Fetch an address unless it is what it was; never raises for what the network does."""
        return await self._told(self._follow(ask, now), ask.most)

    async def post(self, url: str, form: Mapping[str, str], *, now: datetime) -> Answered:
        """Send a form to an address, as hubs take it."""
        return await self._told(self._send(Ask(url=url), form, now), bodies.MAX_BYTES)

    async def _told(self, asking: Awaitable[Answered], most: int) -> Answered:
        began = time.monotonic()
        try:
            return await asking
        except NoTurn as refusal:
            return NoTurnYet(refusal.wait)
        except TimeoutError:
            reason = f"It did not answer in full within {TOTAL_SECONDS:.0f} s."
        except NotPublic as refusal:
            reason = f"It is not fetched: {refusal}"
        except bodies.TooLarge:
            reason = f"It is larger than {most // 1024 // 1024} MB."
        except bodies.NotUnpacked as refusal:
            reason = f"It could not be fetched: {refusal}."
        except _Lost as refusal:
            reason = str(refusal)
        except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError, UnicodeError) as error:
            reason = f"It could not be fetched: {(str(error) or type(error).__name__)[:200]}."
        return NotFetched(reason=reason, seconds=time.monotonic() - began)

    async def _follow(self, ask: Ask, now: datetime) -> Answered:
        """Go where redirects lead, with a turn and a look at the address for each step."""
        url, for_good, moved_to = ask.url, True, None
        trip = _Trip(self._turns, ask)
        async with self._client() as client:
            for _ in range(MAX_REDIRECTS + 1):
                async with (
                    trip.to(url),
                    client.stream("GET", url, headers=ask.headers()) as response,
                ):
                    if response.status_code not in _REDIRECTS:
                        found = await self._answer(response, ask, trip, now)
                        return _at(found, moved_to)
                    for_good = for_good and response.status_code in _FOR_GOOD
                    url = _next(url, response.headers.get("location", ""))
                    moved_to = url if for_good else moved_to
        raise _Lost(f"It redirects more than {MAX_REDIRECTS} times.")

    async def _send(self, ask: Ask, form: Mapping[str, str], now: datetime) -> Answered:
        trip = _Trip(self._turns, ask)
        async with (
            self._client() as client,
            trip.to(ask.url),
            client.stream("POST", ask.url, data=dict(form)) as response,
        ):
            return await self._answer(response, ask, trip, now)

    async def _answer(
        self,
        response: httpx2.Response,
        ask: Ask,
        trip: "_Trip",
        now: datetime,
    ) -> Answered:
        head, status = response.headers, response.status_code
        asked = pause(head, now)
        etag, last_modified = validators(head)
        if status == httpx2.codes.NOT_MODIFIED:
            return NotModified(
                status=304,
                pause=asked,
                etag=etag,
                last_modified=last_modified,
                seconds=trip.seconds,
            )
        if not response.is_success:
            await self._leave_alone(str(response.url), status, asked)
            reason = f"It answers {status} {response.reason_phrase}".rstrip()
            return NotFetched(reason=f"{reason}.", status=status, pause=asked, seconds=trip.seconds)
        content = await bodies.read(
            response.aiter_raw(),
            encoding=head.get("content-encoding", ""),
            declared=head.get("content-length", "0"),
            most=ask.most,
        )
        return Page(
            status=status,
            url=str(response.url),
            content=content,
            content_type=head.get("content-type", ""),
            etag=etag,
            last_modified=last_modified,
            pause=asked,
            links=links(head.get("link"), str(response.url)),
            seconds=trip.seconds,
        )

    async def _leave_alone(self, url: str, status: int, asked: timedelta | None) -> None:
        """Let no worker ask a host that has said it is asked too much."""
        if status in _HOST_WIDE:
            await self._turns.close(host_of(url), asked or timedelta(seconds=_PERHAPS_SECONDS))

    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            transport=_PinnedTransport(private=self._private),
            trust_env=False,
            follow_redirects=False,
            headers={"user-agent": self._agent, "accept-encoding": "gzip, deflate"},
            timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        )


class _Trip:
    """One way over several hosts: a turn for each step, a time for all of them."""

    def __init__(self, turns: Turns, ask: Ask) -> None:
        self._turns = turns
        self._ask = ask
        self.seconds = 0.0

    @asynccontextmanager
    async def to(self, url: str) -> AsyncIterator[None]:
        """Hold a turn with an address's host; waiting for it costs none of the time."""
        left = TOTAL_SECONDS - self.seconds
        async with self._turns.turn(
            host_of(url), patience=self._ask.patience, spacing_seconds=self._ask.spacing_seconds
        ):
            began = time.monotonic()
            try:
                async with asyncio.timeout(left):
                    yield
            finally:
                self.seconds += time.monotonic() - began


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


def _at(found: Answered, moved_to: str | None) -> Answered:
    """Say where the answer came from, if every redirect on the way there was for good."""
    if moved_to is not None and isinstance(found, Page | NotModified):
        return replace(found, moved_to=moved_to)
    return found


def _next(url: str, location: str) -> str:
    try:
        whole = urljoin(url, location.strip())
        parts = urlsplit(whole)
    except ValueError as error:
        raise _Lost(f"It could not be fetched: it redirects to {location[:80]!r}.") from error
    if not location or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _Lost(f"It could not be fetched: it redirects to {location[:80]!r}.")
    return whole


__all__ = ["FEEDS", "PAGES", "PICTURES", "TOKEN", "Ask", "Fetcher"]
