"""Writes down what came of asking a source: its items, and when it is asked again."""

from datetime import datetime, timedelta

from msgspec import Struct

from jobs.ingest.answers import NotFetched, NotModified, NoTurnYet, Page
from jobs.ingest.desk import chance
from jobs.ingest.parse import Feed
from server import comments, items, sources
from server.items import Entry
from server.kernel import metrics
from server.kernel.database import Db
from server.kernel.logs import log
from server.kernel.services import Services
from server.sources import About, Cost, Failed, Fetched, File, Source, Subscription

_WEEK = timedelta(days=7)
_UNTOLD = About()
_GONE = 410
_log = log("jobs")


class Taken(Struct, frozen=True, kw_only=True):
    """What a source had, as it was read."""

    page: Page
    feed: Feed
    # When the answer came.
    fetched_at: datetime
    # It came as a file, or was pushed, and goes with this.
    file: File | None = None
    # Where it was found, when that was not at the address that was given.
    found_at: str | None = None
    # There is more, for which there was no time.
    unfinished: bool = False


async def taken(services: Services, source: Source, found: Taken) -> None:
    """Store what is new, and say when the source is asked again."""
    now, page, feed = services.clock.now(), found.page, found.feed
    async with services.write() as db:
        stored = await store(db, source, feed.entries, now, _given(source, found))
        weekly = await items.count_since(db, source.id, now - _WEEK)
        agreed = await _hub(services, db, source, found)
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
            edited_items=len(stored.edited),
            weekly=weekly,
            kind=source.kind if found.file is not None else feed.kind,
            found_at=found.found_at,
            moved_to=_elsewhere(source, page.moved_to),
            outcome="taken" if found.file is None else "pushed",
            cost=Cost(page.seconds, len(page.content)),
            next_check_at=now + sources.SOONEST
            if found.unfinished
            else sources.next_check(
                now,
                weekly=weekly,
                asked=_longer(page.pause, feed.pause),
                pushed=agreed is not None and agreed.holds(now),
                chance=chance(),
            ),
        )
        await sources.succeeded(db, source, outcome, now)
        if found.file is not None:
            await sources.drop_file(db, source.id, found.file)
    metrics.ingest_fetches.labels(outcome.outcome).inc()
    _log.info(
        "source_refreshed",
        source_id=str(source.id),
        new=len(stored.new),
        edited=len(stored.edited),
        empty=feed.empty,
    )


async def unchanged(services: Services, source: Source, answer: NotModified) -> None:
    """Write down that a source has nothing new."""
    now = services.clock.now()
    async with services.write() as db:
        weekly = await items.count_since(db, source.id, now - _WEEK)
        agreed = await sources.subscription(db, source.id)
        outcome = Fetched(
            about=_UNTOLD,
            status=answer.status,
            etag=answer.etag or source.etag,
            last_modified=answer.last_modified or source.last_modified,
            new_items=0,
            weekly=weekly,
            moved_to=_elsewhere(source, answer.moved_to),
            outcome="unchanged",
            cost=Cost(answer.seconds, 0),
            next_check_at=sources.next_check(
                now,
                weekly=weekly,
                asked=answer.pause,
                pushed=agreed is not None and agreed.holds(now),
                chance=chance(),
            ),
        )
        await sources.succeeded(db, source, outcome, now)
    metrics.ingest_fetches.labels("unchanged").inc()


async def failed(
    services: Services, source: Source, answer: NotFetched, file: File | None = None
) -> None:
    """Write down why there is nothing, and when the source is tried again."""
    now = services.clock.now()
    outcome = Failed(
        reason=answer.reason,
        status=answer.status,
        next_check_at=sources.after_error(
            now, errors=source.error_count + 1, asked=answer.pause, chance=chance()
        ),
        gone=answer.status == _GONE and file is None,
        cost=Cost(answer.seconds),
    )
    async with services.write() as db:
        await sources.failed(db, source, outcome, now)
        if file is not None:
            await sources.drop_file(db, source.id, file)
    metrics.ingest_fetches.labels("failed").inc()
    _log.warning("source_failed", source_id=str(source.id), reason=answer.reason)


async def put_off(services: Services, source: Source, answer: NoTurnYet) -> None:
    """Come back when the host has a turn for us; nothing was asked, and nothing failed."""
    until = services.clock.now() + answer.wait * (1 + sources.JITTER * chance())
    async with services.database.begin() as db:
        await sources.postpone(db, source, until)
    metrics.ingest_fetches.labels("postponed").inc()


async def store(
    db: Db,
    source: Source,
    entries: tuple[Entry, ...],
    now: datetime,
    given: items.Given | None = None,
) -> items.Stored:
    """Store a feed's entries, and give those that answer something their place beneath it."""
    stored = await items.take_in(db, source.id, entries, now, given)
    for answer in stored.answers:
        await comments.adopt(
            db,
            comment_id=answer.id,
            target_id=answer.target_id,
            parent_id=answer.parent_id,
            at=answer.at,
        )
    return stored


def _given(source: Source, found: Taken) -> items.Given:
    # What a source had before anybody asked it was not waited for.
    fetched_at = found.fetched_at if source.first_success_at is not None else None
    return items.Given(fetched_at=fetched_at, licence=found.feed.licence or source.licence)


async def _hub(services: Services, db: Db, source: Source, found: Taken) -> Subscription | None:
    """Take notice of the hub that an answer names, where a hub could reach us at all."""
    if found.file is not None or services.policy.public_url is None:
        return await sources.subscription(db, source.id)
    page, feed = found.page, found.feed
    hub, topic = page.links.get("hub") or feed.hub, page.links.get("self") or feed.topic
    return await sources.offered(db, source, hub, topic, services.clock.now())


def _elsewhere(source: Source, address: str | None) -> str | None:
    """Give the address that a source was sent to for good, unless it is less safe than its own."""
    unsafe = source.url.startswith("https:") and (address or "").startswith("http:")
    return None if unsafe or address == source.url else address


def _longer(first: timedelta | None, second: timedelta | None) -> timedelta | None:
    return max((each for each in (first, second) if each is not None), default=None)
