"""The job that writes a copy of all that is kept of a person."""

from secrets import token_hex

from jobs.runtime import job
from server import profiles
from server.catalog import EXPORTERS
from server.kernel.services import Services
from server.profiles.tasks import EXPORT, MakeExport


@job(EXPORT)
async def make(services: Services, args: MakeExport) -> None:
    """Write the archive and lay it where only its owner is given it."""
    now = services.clock.now()
    async with services.database.read() as db:
        content = await profiles.archive(db, args.export_id, EXPORTERS, now)
    if content is None:
        return
    # Nobody guesses where it lies, should a folder or a bucket ever be open.
    key = f"exports/{args.export_id}/{token_hex(16)}.json"
    await services.storage.put(key, content, mime="application/json")
    async with services.write() as db:
        await profiles.archived(db, args.export_id, key, len(content), now)
