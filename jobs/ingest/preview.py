"""The job that looks at an address for somebody who thinks of adding it."""

from jobs.ingest.answers import NotFetched, NoTurnYet
from jobs.ingest.clean import shortened
from jobs.ingest.desk import Desk
from jobs.ingest.look import Found, Looked, look
from jobs.ingest.parse import Given
from jobs.runtime import job
from server import sources
from server.items import Entry
from server.kernel.services import Services
from server.sources import Preview, PreviewEntry, PreviewSource

MOST_SHOWN = 5
MOST_TEXT = 280
# Somebody waits; a host that is busy is told of instead.
PATIENCE_SECONDS = 5.0


@job(sources.PREVIEW)
async def preview(services: Services, args: PreviewSource) -> None:
    """Look at an address and keep nothing of it but what is shown."""
    async with services.database.read() as db:
        url = await sources.previewed(db, args.preview_id)
    if url is None:
        return
    seen = _told(url, await look(Desk(services), url, Given(url=url), patience=PATIENCE_SECONDS))
    async with services.database.begin() as db:
        await sources.answer_preview(db, args.preview_id, seen)


def _told(url: str, looked: Looked) -> Preview:
    match looked:
        case Found():
            return _seen(looked)
        case NotFetched(reason=reason):
            return Preview(url=url, error=reason)
        case NoTurnYet(wait):
            seconds = f"{wait.total_seconds():.0f} s"
            return Preview(url=url, error=f"Its host wants to be left alone for {seconds}.")


def _seen(found: Found) -> Preview:
    feed = found.feed
    return Preview(
        url=found.url,
        kind=feed.kind,
        title=feed.title,
        site_url=feed.site_url,
        language=feed.language,
        licence=feed.licence,
        hub=found.page.links.get("hub") or feed.hub,
        entries=[_shown(each) for each in feed.entries[:MOST_SHOWN]],
        count=len(feed.entries),
        others=[each for each in feed.feeds if each != found.url],
    )


def _shown(entry: Entry) -> PreviewEntry:
    return PreviewEntry(
        type=entry.kind,
        title=entry.title,
        text=shortened(entry.body_text, MOST_TEXT),
        url=entry.url,
        image_url=entry.image_url,
        author=entry.author_name,
        language=entry.language,
        published_at=entry.published_at,
    )
