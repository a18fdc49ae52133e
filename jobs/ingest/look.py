"""Finds what there is to ingest at an address that somebody pasted: a feed, wherever it lies."""

from typing import TypeAlias
from urllib.parse import urljoin, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from jobs.ingest.answers import NotFetched, NotModified, NoTurnYet, Page
from jobs.ingest.desk import Desk
from jobs.ingest.feed import NotAFeed
from jobs.ingest.fetch import Ask
from jobs.ingest.parse import Feed, Given
from jobs.ingest.turns import NoTurn

# Where feeds lie that no page names.
GUESSES = ("/feed", "/rss.xml", "/atom.xml", "/feed.json")
# So many addresses are tried after the first: each is a request to somebody's server.
MOST_NAMED = 3
MOST_SITEMAPS = 2


class Found(Struct, frozen=True, kw_only=True):
    """What is at an address, or at the one that it leads to."""

    # Where it was found: what a source is to be asked for.
    url: str
    page: Page
    feed: Feed


Looked: TypeAlias = Found | NotFetched | NoTurnYet


async def look(desk: Desk, url: str, given: Given, *, patience: float) -> Looked:
    """Look for a feed: at the address, where the page there says, where feeds use to be."""
    ask = Ask(url=url, patience=patience)
    first = await _at(desk, ask, replace(given, wanted="auto"))
    if not isinstance(first, Found) or first.feed.kind != "page":
        return first
    for address in first.feed.feeds[:MOST_NAMED]:
        found = await _at(desk, replace(ask, url=address), replace(given, wanted="feed"))
        if isinstance(found, Found | NoTurnYet):
            return found
    if urlsplit(first.page.url).path.strip("/"):
        # The address of one page: what is meant is most likely what is on it.
        return await _the_page(desk, first)
    return await _unnamed(desk, ask, first, given)


async def _unnamed(desk: Desk, ask: Ask, first: Found, given: Given) -> Looked:
    """Look for the feed of a site that does not name it, and for its sitemap."""
    try:
        rules = await desk.robots.rules(first.page.url, desk.now())
    except NoTurn as refusal:
        return NoTurnYet(refusal.wait)
    guesses = [urljoin(first.page.url, each) for each in GUESSES] if rules.may else []
    sitemaps = rules.sitemaps[:MOST_SITEMAPS] or (urljoin(first.page.url, "/sitemap.xml"),)
    for address in (*guesses, *sitemaps):
        found = await _at(desk, replace(ask, url=address), replace(given, wanted="feed"))
        if isinstance(found, Found | NoTurnYet):
            return found
    return await _the_page(desk, first)


async def _the_page(desk: Desk, first: Found) -> Looked:
    if not first.feed.entries:
        return NotFetched(
            reason="It is a web page, not a feed, that names none and holds no article.",
            status=first.page.status,
        )
    try:
        rules = await desk.robots.rules(first.page.url, desk.now())
    except NoTurn as refusal:
        return NoTurnYet(refusal.wait)
    if not rules.may:
        return NotFetched(reason="The robots.txt of its host asks us to leave it alone.")
    return first


async def _at(desk: Desk, ask: Ask, given: Given) -> Looked:
    match await desk.ask(ask):
        case Page() as page:
            try:
                told = replace(given, url=page.url, content_type=page.content_type)
                feed = await desk.read(page, told)
            except NotAFeed as refusal:
                return NotFetched(reason=str(refusal), status=page.status, seconds=page.seconds)
            return Found(url=page.moved_to or ask.url, page=page, feed=feed)
        case NotModified(status=status):
            return NotFetched(reason=f"It answers {status} to who never asked.", status=status)
        case other:
            return other
