"""The job that fetches the picture of an item and keeps it, by what is in it."""

import hashlib

from jobs.ingest.answers import NotFetched, NoTurnYet, Page
from jobs.ingest.desk import Desk
from jobs.ingest.fetch import PICTURES, Ask
from jobs.ingest.reading import Drawn
from jobs.runtime import job
from server import items
from server.items import KeepPicture, Kept, Wanted
from server.kernel.services import Services

MOST_BYTES = 12 * 1024 * 1024
PATIENCE_SECONDS = 5.0
MIME = "image/jpeg"


@job(items.KEEP_PICTURE)
async def keep(services: Services, args: KeepPicture) -> None:
    """Fetch a picture, make it ours and show it in the place of the stranger's."""
    now = services.clock.now()
    async with services.database.begin() as db:
        wanted = await items.claim_picture(db, args.item_id, now)
        known = await items.known_picture(db, wanted.url, now) if wanted else None
    if wanted is None:
        return
    if known is not None:
        await _kept(services, wanted, known)
        return
    desk = Desk(services)
    ask = Ask(url=wanted.url, accept=PICTURES, most=MOST_BYTES, patience=PATIENCE_SECONDS)
    match await desk.ask(ask):
        case Page() as page:
            drawn = await desk.draw(page)
            if isinstance(drawn, Drawn):
                await _kept(services, wanted, await _stored(services, drawn))
            else:
                await _failed(services, wanted, drawn.reason)
        case NoTurnYet(wait):
            async with services.database.begin() as db:
                await items.put_off_picture(db, wanted, services.clock.now() + wait)
        case NotFetched(reason=reason):
            await _failed(services, wanted, reason)
        case _:
            await _failed(services, wanted, "It answers that it has not changed.")


async def _stored(services: Services, drawn: Drawn) -> Kept:
    digest = hashlib.sha256(drawn.content).hexdigest()
    key = f"pictures/{digest[:2]}/{digest}.jpg"
    if not await services.storage.exists(key):
        await services.storage.put(key, drawn.content, mime=MIME)
    return Kept(key, drawn.width, drawn.height, len(drawn.content))


async def _kept(services: Services, wanted: Wanted, kept: Kept) -> None:
    async with services.write() as db:
        await items.keep_picture(db, wanted, kept, services.clock.now())


async def _failed(services: Services, wanted: Wanted, reason: str) -> None:
    async with services.database.begin() as db:
        await items.fail_picture(db, wanted, reason, services.clock.now())
