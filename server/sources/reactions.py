"""What sources do when they are told."""

from server.kernel.database import Db
from server.kernel.logs import log
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.sources.events import FileGiven, PreviewAsked, SourceDue, SourceRetired
from server.sources.tasks import (
    PREVIEW,
    REFRESH,
    TAKE_IN,
    PreviewSource,
    RefreshSource,
    TakeIn,
    preview_id,
    refresh_id,
    take_in_id,
)

_log = log("sources")


async def ask(services: Services, _db: Db, event: SourceDue) -> None:
    """Queue the refresh of a source that somebody wants asked."""
    await services.queue.enqueue(REFRESH, RefreshSource(event.id), job_id=refresh_id(event.id))


async def take_in(services: Services, _db: Db, event: FileGiven) -> None:
    """Queue the taking in of a file."""
    await services.queue.enqueue(TAKE_IN, TakeIn(event.id), job_id=take_in_id(event.id))


async def look(services: Services, _db: Db, event: PreviewAsked) -> None:
    """Queue the look at an address."""
    await services.queue.enqueue(PREVIEW, PreviewSource(event.id), job_id=preview_id(event.id))


async def note_retired(_services: Services, _db: Db, event: SourceRetired) -> None:
    """Tell the operator that a source is asked no more."""
    _log.warning("source_retired", source_id=str(event.id), notice=event.notice)


reactions = [
    Reaction("sources.ask", SourceDue, ask),
    Reaction("sources.take_in", FileGiven, take_in),
    Reaction("sources.look", PreviewAsked, look),
    Reaction("sources.retired", SourceRetired, note_retired),
]
