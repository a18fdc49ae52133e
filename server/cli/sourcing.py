"""What the commands about sources do, each over services of its own."""

import asyncio
from uuid import UUID

from msgspec import Struct

from server import items, sources
from server.cli.acting import OPERATOR
from server.items import Health
from server.kernel.database import Db
from server.kernel.services import Services
from server.sources import NewSource, Preview, Source, Unreadable

_WAIT_SECONDS = 20.0
_LOOK_SECONDS = 0.25
_PAGE = 100
LARGEST_FILE_BYTES = 10 * 1024 * 1024


class Taken(Struct, frozen=True):
    """What came of a list of feeds."""

    added: list[Source]
    known: int


async def add_address(services: Services, new: NewSource) -> Source:
    """Add a feed by its address and wait a moment for its first refresh.

    Raises:
        Unreadable: no feed could be read there; it is not added.
        SourceExists: it is a source already.

    """
    async with services.write() as db:
        added = await sources.add(db, OPERATOR, new, services.clock.now())
    asked = await _after_first_refresh(services, added)
    if asked.last_error is not None and asked.last_success_at is None:
        async with services.write() as db:
            await sources.discard(db, OPERATOR, [asked.id], services.clock.now())
        raise Unreadable(f"{asked.url} was not added. {asked.last_error}")
    return asked


async def add_list(services: Services, news: list[NewSource]) -> Taken:
    """Add every feed of a list that is not known yet."""
    async with services.write() as db:
        added, known = await sources.add_all(db, OPERATOR, news, services.clock.now())
    return Taken(added, known)


async def add_file(services: Services, address: str, content: bytes, title: str | None) -> Source:
    """Add a feed that lies in a file; a worker takes its items in."""
    new = NewSource(url=address, title=title)
    async with services.write() as db:
        now = services.clock.now()
        return await sources.add_file(db, OPERATOR, address, new, content, now)


def feeds_of(content: bytes) -> list[NewSource] | None:
    """Read a file as a list of feeds; None when it is something else, such as a feed."""
    try:
        return sources.read_opml(content)
    except sources.NotOpmlError:
        return None


async def every(services: Services) -> list[Source]:
    """Read all sources, the latest first."""
    async with services.database.read() as db:
        return await _pages(db)


async def preview(services: Services, url: str) -> Preview:
    """Have a worker look at an address, and wait for what it finds."""
    async with services.write() as db:
        preview_id = await sources.ask_preview(db, OPERATOR, url)
    for _ in range(int(_WAIT_SECONDS / _LOOK_SECONDS)):
        async with services.database.read() as db:
            found = await sources.preview(db, OPERATOR, preview_id)
        if found is not None:
            return found
        await asyncio.sleep(_LOOK_SECONDS)
    return Preview(url=url, error="No worker has looked in time; is one running?")


async def health(services: Services, source_id: UUID) -> Health:
    """Read how a source fares."""
    async with services.database.read() as db:
        return await items.health_of(db, OPERATOR, source_id, services.clock.now())


async def as_opml(services: Services) -> bytes:
    """Write all sources as a list of feeds."""
    async with services.database.read() as db:
        return sources.write_opml(await sources.every(db, OPERATOR))


async def refresh(services: Services, source_id: UUID | None) -> int:
    """Have one source asked now, or all that are asked at all; how many."""
    async with services.write() as db:
        ids = [each.id for each in await _pages(db) if each.enabled]
        ids = ids if source_id is None else [source_id]
        for each in ids:
            await sources.refresh(db, OPERATOR, each, services.clock.now())
    return len(ids)


async def _pages(db: Db) -> list[Source]:
    found: list[Source] = []
    while True:
        after = found[-1].id if found else None
        page = await sources.page(db, OPERATOR, after, _PAGE)
        found += page
        if len(page) < _PAGE:
            return found


async def _after_first_refresh(services: Services, source: Source) -> Source:
    for _ in range(int(_WAIT_SECONDS / _LOOK_SECONDS)):
        async with services.database.read() as db:
            found = (await sources.by_ids(db, [source.id])).get(source.id, source)
        if found.last_success_at is not None or found.last_error is not None:
            return found
        await asyncio.sleep(_LOOK_SECONDS)
    return source
