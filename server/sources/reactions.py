"""What sources do when they are told."""

from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.sources.events import SourceDue
from server.sources.tasks import REFRESH, RefreshSource, refresh_id


async def ask(services: Services, _db: Db, event: SourceDue) -> None:
    """Queue the refresh of a source that somebody wants asked."""
    await services.queue.enqueue(REFRESH, RefreshSource(event.id), job_id=refresh_id(event.id))


reactions = [Reaction("sources.ask", SourceDue, ask)]
