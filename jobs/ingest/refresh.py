"""The jobs that bring a source's entries in: from its address, or from a file that was read."""

from urllib.parse import urlsplit

from jobs.ingest import sites
from jobs.ingest.answers import NotFetched, NotModified, NoTurnYet, Page
from jobs.ingest.desk import Desk
from jobs.ingest.feed import NotAFeed
from jobs.ingest.fetch import Ask
from jobs.ingest.look import Found, look
from jobs.ingest.outcomes import Taken, failed, put_off, taken, unchanged
from jobs.ingest.parse import Given
from jobs.runtime import job
from server import sources
from server.kernel.services import Services
from server.sources import RefreshSource, Source, TakeIn

_PATIENCE_SECONDS = 8.0


@job(sources.REFRESH)
async def refresh(services: Services, args: RefreshSource) -> None:
    """Ask a source and store what is new; what goes wrong is written down with the source."""
    async with services.database.begin() as db:
        source = await sources.claim(db, args.source_id, services.clock.now())
    if source is None or urlsplit(source.url).scheme not in {"http", "https"}:
        return
    desk = Desk(services)
    if source.kind == "auto":
        await _first_time(services, desk, source)
    else:
        await _again(services, desk, source)


@job(sources.TAKE_IN)
async def take_in(services: Services, args: TakeIn) -> None:
    """Store the entries of a feed that came as a file, or was pushed; with them the file goes."""
    async with services.database.begin() as db:
        source = await sources.claim(db, args.source_id, services.clock.now())
        file = await sources.begin_file(db, args.source_id)
    if source is None or file is None:
        return
    if file.attempts > sources.MOST_ATTEMPTS:
        await failed(services, source, NotFetched(reason="Reading it never ended."), file)
        return
    pushed = urlsplit(source.url).scheme in {"http", "https"}
    page = Page(
        status=200,
        url=source.url,
        content=file.content,
        content_type="",
        # What was pushed says nothing of what the address would answer.
        etag=source.etag if pushed else None,
        last_modified=source.last_modified if pushed else None,
        pause=None,
    )
    try:
        feed = await Desk(services).read(page, _given(source, page))
    except NotAFeed as refusal:
        await failed(services, source, NotFetched(reason=str(refusal), status=200), file)
        return
    await taken(services, source, Taken(page=page, feed=feed, file=file, fetched_at=file.given_at))


async def _first_time(services: Services, desk: Desk, source: Source) -> None:
    """Find out what there is at an address that was added as it was pasted."""
    given = Given(url=source.url, category=source.category, language=source.language)
    match await look(desk, source.url, given, patience=_PATIENCE_SECONDS):
        case Found() as found:
            await _store(services, desk, source, found)
        case NotFetched() as answer:
            await failed(services, source, answer)
        case NoTurnYet() as answer:
            await put_off(services, source, answer)


async def _again(services: Services, desk: Desk, source: Source) -> None:
    # The validators of a feed that failed to be read would hide it until it changes.
    known = source.error_count == 0
    ask = Ask(
        url=source.url,
        etag=source.etag if known else None,
        last_modified=source.last_modified if known else None,
        patience=_PATIENCE_SECONDS,
    )
    answer = await (desk.ask_page(ask) if source.kind == "page" else desk.ask(ask))
    match answer:
        case NotFetched():
            await failed(services, source, answer)
        case NoTurnYet():
            await put_off(services, source, answer)
        case NotModified():
            await unchanged(services, source, answer)
        case Page():
            try:
                feed = await desk.read(answer, _given(source, answer))
            except NotAFeed as refusal:
                reason = NotFetched(
                    reason=str(refusal), status=answer.status, seconds=answer.seconds
                )
                await failed(services, source, reason)
                return
            await _store(services, desk, source, Found(url=source.url, page=answer, feed=feed))


async def _store(services: Services, desk: Desk, source: Source, found: Found) -> None:
    fetched_at, feed, unfinished = services.clock.now(), found.feed, False
    if feed.kind == "sitemap":
        site = await sites.whole(services, desk, source, feed)
        feed, unfinished = site.feed, site.unfinished
    await taken(
        services,
        source,
        Taken(
            page=found.page,
            feed=feed,
            fetched_at=fetched_at,
            found_at=None if found.url == source.url else found.url,
            unfinished=unfinished,
        ),
    )


def _given(source: Source, page: Page) -> Given:
    return Given(
        url=page.url,
        content_type=page.content_type,
        category=source.category,
        language=source.language,
        wanted="feed" if source.kind == "auto" else source.kind,
    )
