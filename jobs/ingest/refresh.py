"""The jobs that bring a source's entries in: from its address, or from a file that was read."""

import asyncio
from datetime import datetime, timedelta
from functools import cache
from urllib.parse import urlsplit

from jobs.ingest.fetch import Fetcher, NotFetched, NotModified, Page
from jobs.ingest.parse import Feed, Given, NotAFeed, read
from jobs.runtime import job
from server import comments, items, sources
from server.kernel.database import Db
from server.kernel.logs import log
from server.kernel.services import Services
from server.sources import About, Failed, Fetched, File, RefreshSource, Source, TakeIn

_WEEK = timedelta(days=7)
_UNTOLD = About()
_log = log("jobs")


@job(sources.REFRESH)
async def refresh(services: Services, args: RefreshSource) -> None:
    """Ask a source and store what is new; what goes wrong is written down with the source."""
    async with services.database.begin() as db:
        source = await sources.claim(db, args.source_id, services.clock.now())
    if source is None or urlsplit(source.url).scheme not in {"http", "https"}:
        return
    fetcher = _fetcher(services.policy.fetch_private_addresses, services.policy.public_url)
    # The validators of a feed that failed to be read would hide it until it changes.
    known = source.error_count == 0
    answer = await fetcher.fetch(
        source.url,
        etag=source.etag if known else None,
        last_modified=source.last_modified if known else None,
        now=services.clock.now(),
    )
    match answer:
        case NotFetched():
            await _failed(services, source, answer)
        case NotModified():
            async with services.write() as db:
                await _unchanged(db, source, answer, services.clock.now())
        case Page():
            await _take_in(services, source, answer)


@job(sources.TAKE_IN)
async def take_in(services: Services, args: TakeIn) -> None:
    """Store the entries of a feed that came as a file; with them the file goes."""
    async with services.database.begin() as db:
        source = await sources.claim(db, args.source_id, services.clock.now())
        file = await sources.begin_file(db, args.source_id)
    if source is None or file is None:
        return
    if file.attempts > sources.MOST_ATTEMPTS:
        await _failed(services, source, NotFetched(reason="Reading it never ended."), file)
        return
    page = Page(
        status=200,
        url=source.url,
        content=file.content,
        content_type="",
        etag=None,
        last_modified=None,
        pause=None,
    )
    await _take_in(services, source, page, file)


async def store(db: Db, source: Source, feed: Feed, now: datetime) -> items.Stored:
    """Store a feed's entries, and give those that answer something their place beneath it."""
    stored = await items.take_in(db, source.id, feed.entries, now)
    for answer in stored.answers:
        await comments.adopt(
            db,
            comment_id=answer.id,
            target_id=answer.target_id,
            parent_id=answer.parent_id,
            at=answer.at,
        )
    return stored


async def _take_in(
    services: Services, source: Source, page: Page, file: File | None = None
) -> None:
    given = Given(
        url=page.url,
        content_type=page.content_type,
        category=source.category,
        language=source.language,
    )
    try:
        feed = await asyncio.to_thread(read, page.content, given, services.clock.now())
    except NotAFeed as refusal:
        await _failed(services, source, NotFetched(reason=str(refusal), status=page.status), file)
        return
    now = services.clock.now()
    async with services.write() as db:
        stored = await store(db, source, feed, now)
        weekly = await items.count_since(db, source.id, now - _WEEK)
        outcome = Fetched(
            about=About(
                title=feed.title,
                site_url=feed.site_url,
                language=feed.language,
                licence=feed.licence,
            ),
            status=page.status,
            etag=page.etag,
            last_modified=page.last_modified,
            new_items=len(stored.new),
            next_check_at=sources.next_check(
                now, weekly=weekly, asked=_longer(page.pause, feed.pause)
            ),
        )
        await sources.succeeded(db, source, outcome, now)
        if file is not None:
            await sources.drop_file(db, source.id, file)
    _log.info(
        "source_refreshed",
        source_id=str(source.id),
        new=len(stored.new),
        edited=len(stored.edited),
        empty=feed.empty,
    )


async def _unchanged(db: Db, source: Source, answer: NotModified, now: datetime) -> None:
    weekly = await items.count_since(db, source.id, now - _WEEK)
    outcome = Fetched(
        about=_UNTOLD,
        status=answer.status,
        etag=source.etag,
        last_modified=source.last_modified,
        new_items=0,
        next_check_at=sources.next_check(now, weekly=weekly, asked=answer.pause),
    )
    await sources.succeeded(db, source, outcome, now)


async def _failed(
    services: Services, source: Source, answer: NotFetched, file: File | None = None
) -> None:
    when = sources.after_error(
        services.clock.now(), errors=source.error_count + 1, asked=answer.pause
    )
    outcome = Failed(reason=answer.reason, status=answer.status, next_check_at=when)
    async with services.write() as db:
        await sources.failed(db, source, outcome)
        if file is not None:
            await sources.drop_file(db, source.id, file)
    _log.warning("source_failed", source_id=str(source.id), reason=answer.reason)


def _longer(first: timedelta | None, second: timedelta | None) -> timedelta | None:
    return max((each for each in (first, second) if each is not None), default=None)


@cache
def _fetcher(private: bool, public_url: str | None) -> Fetcher:  # noqa: FBT001 - a cache's key
    return Fetcher(private=private, public_url=public_url)
