"""What can be done with sources, by admins and by the jobs that ask them."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from server.kernel import outbox
from server.kernel.database import Db
from server.kernel.ids import new_id
from server.kernel.problems import NotAllowed, NotFound
from server.kernel.viewer import Viewer
from server.sources import store
from server.sources.events import FileGiven, SourceDue
from server.sources.model import (
    Failed,
    Fetched,
    File,
    NewSource,
    Source,
    SourceExists,
    check_url,
)

# A refresh that was not heard of for so long is taken to be lost, and the source is due again.
CLAIM = timedelta(minutes=3)
# A file's first job has so long before a sweep makes another: queued is not lost.
PATIENCE = timedelta(seconds=20)
# A file that ends its worker so often is not tried again.
MOST_ATTEMPTS = 5


async def add(db: Db, viewer: Viewer, new: NewSource, now: datetime) -> Source:
    """Take a source in; it is asked at once.

    Raises:
        NotAllowed: the viewer is no admin.
        Malformed: the address cannot be fetched.
        SourceExists: it is a source already.

    """
    _only_admins(viewer)
    source = await _insert(db, check_url(new.url), new, now)
    if source is None:
        raise SourceExists(f"{new.url} is a source already.")
    await outbox.emit(db, SourceDue(source.id), key=source.id)
    return source


async def add_all(
    db: Db, viewer: Viewer, news: Sequence[NewSource], now: datetime
) -> tuple[list[Source], int]:
    """Take in those of many sources that are new; also says how many were there already.

    Raises:
        NotAllowed: the viewer is no admin.
        Malformed: an address cannot be fetched; then none is taken in.

    """
    _only_admins(viewer)
    added = []
    for new in news:
        source = await _insert(db, check_url(new.url), new, now)
        if source is not None:
            await outbox.emit(db, SourceDue(source.id), key=source.id)
            added.append(source)
    return added, len(news) - len(added)


async def add_unasked(
    db: Db, viewer: Viewer, url: str, new: NewSource, *, demo: bool = False
) -> Source:
    """Take in, or find again, a source that nobody asks: its feed came from a file.

    Raises:
        NotAllowed: the viewer is no admin.

    """
    _only_admins(viewer)
    values = {
        "url": url,
        "title": new.title or url,
        "category": new.category,
        "language": new.language,
        "enabled": False,
        "demo": demo,
    }
    source = await store.insert(db, new_id(), values) or await store.by_url(db, url)
    if source is None:
        raise NotFound(f"{url} was removed just now.")
    return source


async def add_file(db: Db, viewer: Viewer, url: str, new: NewSource, content: bytes) -> Source:
    """Take in, or find again, a source that came as a file; it waits here until it is read.

    Raises:
        NotAllowed: the viewer is no admin.

    """
    source = await add_unasked(db, viewer, url, new)
    await store.give(db, source.id, content)
    await outbox.emit(db, FileGiven(source.id), key=source.id)
    return source


async def refresh(db: Db, viewer: Viewer, source_id: UUID, now: datetime) -> None:
    """Have a source asked now.

    Raises:
        NotAllowed: the viewer is no admin.
        NotFound: there is no such source, or it is one that is not asked.

    """
    _only_admins(viewer)
    if not await store.make_due(db, source_id, now):
        raise NotFound("There is no such source that can be asked.")
    await outbox.emit(db, SourceDue(source_id), key=source_id)


async def page(db: Db, viewer: Viewer, after: UUID | None = None, limit: int = 50) -> list[Source]:
    """Read sources with how their last refresh went, the latest first.

    Raises:
        NotAllowed: the viewer is no admin.

    """
    _only_admins(viewer)
    return await store.page(db, after, limit)


async def discard(db: Db, viewer: Viewer, ids: Collection[UUID]) -> int:
    """Remove sources whose items are gone, or that never had any.

    Raises:
        NotAllowed: the viewer is no admin.

    """
    _only_admins(viewer)
    return await store.delete(db, ids)


async def by_ids(db: Db, ids: Collection[UUID]) -> dict[UUID, Source]:
    """Read sources for the server's own use."""
    return await store.by_ids(db, ids) if ids else {}


async def by_url(db: Db, url: str) -> Source | None:
    """Read the source of an address, for the server's own use."""
    return await store.by_url(db, url)


async def demo_ids(db: Db) -> list[UUID]:
    """Read which sources are demo content."""
    return await store.demo_ids(db)


async def due(db: Db, now: datetime, limit: int = 200) -> list[UUID]:
    """Read which sources want to be asked, for the sweep."""
    return await store.due(db, now, limit)


async def untaken(db: Db, now: datetime, limit: int = 200) -> list[UUID]:
    """Read which sources have a file whose job was lost, for the sweep."""
    return await store.untaken(db, now - PATIENCE, limit)


async def begin_file(db: Db, source_id: UUID) -> File | None:
    """Begin to take a source's file in; None when that was done."""
    return await store.begin_file(db, source_id)


async def drop_file(db: Db, source_id: UUID, file: File) -> None:
    """Forget a file whose items are stored, or that cannot be read."""
    await store.drop_file(db, source_id, file)


async def claim(db: Db, source_id: UUID, now: datetime) -> Source | None:
    """Begin a refresh; what it finds is taken only while no later one has begun."""
    return await store.claim(db, source_id, now, now + CLAIM)


async def succeeded(db: Db, source: Source, outcome: Fetched, now: datetime) -> bool:
    """Write down a refresh that went well."""
    return await store.record_success(db, source, outcome, now)


async def failed(db: Db, source: Source, outcome: Failed) -> bool:
    """Write down a refresh that failed."""
    return await store.record_failure(db, source, outcome)


async def _insert(db: Db, url: str, new: NewSource, now: datetime) -> Source | None:
    values = {
        "url": url,
        # Until the feed has told its own.
        "title": new.title or url,
        "category": new.category,
        "language": new.language,
        "next_check_at": now,
    }
    return await store.insert(db, new_id(), values)


def _only_admins(viewer: Viewer) -> None:
    if not viewer.is_admin:
        raise NotAllowed("Only an admin may look after sources.")
