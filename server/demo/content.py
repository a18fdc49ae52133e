"""Bringing the demo content in and taking it out again, as a command does it."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from server import comments, engagement, items, media, notifications, sources, users
from server.demo.model import DOMAIN, feeds
from server.demo.tasks import JOB_ID, LOAD, LoadDemo
from server.kernel.database import Db
from server.kernel.problems import Unavailable
from server.kernel.services import Services
from server.kernel.viewer import Viewer

WAIT_SECONDS = 120.0
LOOK_SECONDS = 0.25
# As many items as are removed in one transaction.
BATCH = 1000
_HOUSE = Viewer(role="admin")


async def load(services: Services) -> str:
    """Have a worker load the demo content, wait for it, and say how it went.

    Raises:
        Unavailable: no worker did it in time.

    """
    await services.queue.enqueue(LOAD, LoadDemo(), job_id=JOB_ID)
    last = feeds()[-1].url
    for _ in range(int(WAIT_SECONDS / LOOK_SECONDS)):
        async with services.database.read() as db:
            source = await sources.by_url(db, last)
            if source is not None and source.last_success_at is not None:
                count = len(await items.of_sources(db, await sources.demo_ids(db)))
                return f"The demo content is there: {count} items."
        await asyncio.sleep(LOOK_SECONDS)
    raise Unavailable("No worker has loaded the demo content: is `lumen worker` running?")


async def remove(services: Services) -> str:
    """Remove the demo content, what was said and done about it, and its people."""
    removed = 0
    while True:
        async with services.write() as db:
            ids = (await items.of_sources(db, await sources.demo_ids(db)))[:BATCH]
            keys = await _remove_items(db, ids)
        for key in keys:
            await services.storage.delete(key)
        removed += len(ids)
        if not ids:
            break
    async with services.write() as db:
        await sources.discard(db, _HOUSE, await sources.demo_ids(db), services.clock.now())
        people = await users.of_domain(db, DOMAIN)
        await notifications.forget(db, (), people)
        await users.forget(db, people)
    return f"The demo content is removed: {removed} items."


async def _remove_items(db: Db, ids: Sequence[UUID]) -> list[str]:
    said = await items.aimed_at(db, ids)
    every = list(dict.fromkeys((*ids, *said)))
    if not every:
        return []
    await comments.forget(db, every)
    await engagement.forget(db, every)
    await notifications.forget(db, every, ())
    keys = await media.forget(db, every)
    await items.remove(db, every)
    return keys
