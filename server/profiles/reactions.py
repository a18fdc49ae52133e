"""What happens when somebody asks for their data."""

from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.profiles.events import ExportAsked
from server.profiles.tasks import EXPORT, MakeExport, export_id


async def make_export(services: Services, _db: Db, event: ExportAsked) -> None:
    """Queue the making; should the queue be lost, a sweep finds that there is none."""
    job_id = export_id(event.export_id)
    await services.queue.enqueue(EXPORT, MakeExport(event.export_id), job_id=job_id)


reactions = [Reaction("profiles.make_export", ExportAsked, make_export)]
