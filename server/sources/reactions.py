"""What sources do when they are told."""

from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.sources.events import FileGiven, SourceDue
from server.sources.tasks import REFRESH, TAKE_IN, RefreshSource, TakeIn, refresh_id, take_in_id


async def ask(services: Services, _db: Db, event: SourceDue) -> None:
    """Queue the refresh of a source that somebody wants asked."""
    await services.queue.enqueue(REFRESH, RefreshSource(event.id), job_id=refresh_id(event.id))


async def take_in(services: Services, _db: Db, event: FileGiven) -> None:
    """Queue the taking in of a file."""
    await services.queue.enqueue(TAKE_IN, TakeIn(event.id), job_id=take_in_id(event.id))


reactions = [
    Reaction("sources.ask", SourceDue, ask),
    Reaction("sources.take_in", FileGiven, take_in),
]
