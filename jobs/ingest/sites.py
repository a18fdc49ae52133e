"""From a sitemap to what is on its pages, a few pages at a time."""

import asyncio

from msgspec import Struct
from msgspec.structs import replace

from jobs.ingest.answers import NotFetched, NoTurnYet, Page
from jobs.ingest.desk import Desk
from jobs.ingest.feed import NotAFeed
from jobs.ingest.fetch import Ask
from jobs.ingest.parse import Feed, Given
from server import items
from server.items import Entry
from server.kernel.services import Services
from server.sources import Source

# So many sitemaps of an index, and pages of a sitemap, are read at one time; the rest the next.
PARTS_AT_ONCE = 3
PAGES_AT_ONCE = 8
PATIENCE_SECONDS = 15.0
# After this no further page is begun: the job is to end within its own time.
LONGEST_SECONDS = 60.0
# A page on which nothing could be read is not asked for again before this.
UNREAD_SECONDS = 24 * 3600


class Site(Struct, frozen=True):
    """A sitemap whose new entries are whole, as far as there was time."""

    feed: Feed
    unfinished: bool


async def whole(services: Services, desk: Desk, source: Source, feed: Feed) -> Site:
    """Read the pages that a sitemap names and that are not known yet, the latest first."""
    entries = list(feed.entries)
    for part in feed.parts[:PARTS_AT_ONCE]:
        entries += await _part(desk, part)
    async with services.database.read() as db:
        new = await items.unknown(db, source.id, entries)
    new = sorted(await _unread(services, new), key=lambda each: each.published_at, reverse=True)
    found: list[Entry] = []
    clock = asyncio.get_running_loop()
    end = clock.time() + LONGEST_SECONDS
    asked = 0
    for entry in new[:PAGES_AT_ONCE]:
        if clock.time() > end:
            break
        read = await _page(desk, source, entry)
        if isinstance(read, NoTurnYet):
            break
        asked += 1
        if read is None:
            await services.redis.set(_key(entry), b"1", ex=UNREAD_SECONDS)
        else:
            found.append(read)
    return Site(replace(feed, entries=tuple(found)), unfinished=len(new) > asked)


async def _part(desk: Desk, url: str) -> tuple[Entry, ...]:
    page = await desk.ask(Ask(url=url, patience=PATIENCE_SECONDS))
    if not isinstance(page, Page):
        return ()
    try:
        return (await desk.read(page, Given(url=page.url))).entries
    except NotAFeed:
        return ()


async def _page(desk: Desk, source: Source, entry: Entry) -> Entry | NoTurnYet | None:
    """Give an entry with what is on its page; what its sitemap tells where nothing can be read."""
    told = entry if entry.title else None
    answer = await desk.ask_page(Ask(url=entry.url or "", patience=PATIENCE_SECONDS))
    if isinstance(answer, NoTurnYet):
        return answer
    if not isinstance(answer, Page):
        assert isinstance(answer, NotFetched)  # noqa: S101 - without validators, always
        return told
    given = Given(
        url=answer.url,
        content_type=answer.content_type,
        category=source.category,
        language=source.language or entry.language,
        wanted="page",
    )
    try:
        read = (await desk.read(answer, given)).entries
    except NotAFeed:
        return told
    return _together(entry, read[0]) if read else told


def _together(entry: Entry, page: Entry) -> Entry:
    """Tell what is on a page under the name by which its sitemap knows it."""
    return replace(
        page,
        digest=entry.digest,
        url=entry.url,
        title=entry.title or page.title,
        image_url=page.image_url or entry.image_url,
        video_url=entry.video_url,
        kind=entry.kind if entry.video_url else page.kind,
        tags=entry.tags or page.tags,
        # A sitemap tells when a page was changed, and a page says now where it says nothing.
        published_at=min(entry.published_at, page.published_at),
    )


async def _unread(services: Services, entries: list[Entry]) -> list[Entry]:
    """Leave out the pages on which nothing could be read lately."""
    if not entries:
        return []
    known = await services.redis.mget([_key(each) for each in entries])
    return [each for each, mark in zip(entries, known, strict=True) if mark is None and each.url]


def _key(entry: Entry) -> str:
    return f"ingest:unread:{entry.digest.hex()}"
