"""What can be done with sources, by admins and by the jobs that ask them."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from server import audit
from server.audit import Deed
from server.kernel import outbox
from server.kernel.database import Db
from server.kernel.ids import new_id
from server.kernel.problems import NotAllowed, NotFound
from server.kernel.viewer import Viewer
from server.sources import files, history, store
from server.sources.events import FileGiven, PreviewAsked, SourceDue
from server.sources.model import (
    Fetch,
    File,
    NewSource,
    Preview,
    Source,
    SourceExists,
    check_url,
    host_of,
)

# A file's first job has so long before a sweep makes another: queued is not lost.
PATIENCE = timedelta(seconds=20)
# A file that ends its worker so often is not tried again.
MOST_ATTEMPTS = 5
# Of one host, at once: a second one waits while the first is asked, the others stay where they are.
OF_A_HOST = 2
HISTORY = 20
AT_ONCE = 500
MOST_EXPORTED = 50_000
FETCHES_KEPT = timedelta(days=14)
PREVIEWS_KEPT = timedelta(hours=1)
FORGOTTEN_AT_ONCE = 5000


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
    await _note(db, viewer, "source.add", source, now)
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
    # In one entry: a list may hold hundreds.
    if added:
        after = {str(each.id): each.url for each in added}
        deed = Deed(action="source.import", target_kind="source", target_id="", after=after)
        await audit.record(db, viewer, deed, now)
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


async def add_file(
    db: Db, viewer: Viewer, url: str, new: NewSource, content: bytes, now: datetime
) -> Source:
    """Take in, or find again, a source that came as a file; it waits here until it is read.

    Raises:
        NotAllowed: the viewer is no admin.

    """
    source = await add_unasked(db, viewer, url, new)
    await files.give(db, source.id, content)
    await outbox.emit(db, FileGiven(source.id), key=source.id)
    await _note(db, viewer, "source.give_file", source, now)
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


async def every(db: Db, viewer: Viewer) -> list[Source]:
    """Read all sources that are asked, as many as one list may hold, the latest first.

    Raises:
        NotAllowed: the viewer is no admin.

    """
    _only_admins(viewer)
    found: list[Source] = []
    while len(found) < MOST_EXPORTED:
        page = await store.page(db, found[-1].id if found else None, AT_ONCE)
        found += page
        if len(page) < AT_ONCE:
            break
    return [each for each in found if each.url.startswith(("http://", "https://"))]


async def discard(db: Db, viewer: Viewer, ids: Collection[UUID], now: datetime) -> int:
    """Remove sources whose items are gone, or that never had any.

    Raises:
        NotAllowed: the viewer is no admin.

    """
    _only_admins(viewer)
    known = await store.by_ids(db, ids) if ids else {}
    gone = await store.delete(db, ids)
    if known:
        before = {str(each.id): each.url for each in known.values()}
        deed = Deed(action="source.remove", target_kind="source", target_id="", before=before)
        await audit.record(db, viewer, deed, now)
    return gone


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
    return await store.due(db, now, limit, OF_A_HOST)


async def untaken(db: Db, now: datetime, limit: int = 200) -> list[UUID]:
    """Read which sources have a file whose job was lost, for the sweep."""
    return await files.untaken(db, now - PATIENCE, limit)


async def begin_file(db: Db, source_id: UUID) -> File | None:
    """Begin to take a source's file in; None when that was done."""
    return await files.begin_file(db, source_id)


async def drop_file(db: Db, source_id: UUID, file: File) -> None:
    """Forget a file whose items are stored, or that cannot be read."""
    await files.drop_file(db, source_id, file)


async def one(db: Db, viewer: Viewer, source_id: UUID) -> Source:
    """Read a source.

    Raises:
        NotAllowed: the viewer is no admin.
        NotFound: there is no such source.

    """
    _only_admins(viewer)
    found = (await store.by_ids(db, [source_id])).get(source_id)
    if found is None:
        raise NotFound("There is no such source.")
    return found


async def fetches(db: Db, viewer: Viewer, source_id: UUID) -> list[Fetch]:
    """Read how the last fetches of a source went, the latest first.

    Raises:
        NotAllowed: the viewer is no admin.

    """
    _only_admins(viewer)
    return await history.latest(db, source_id, HISTORY)


async def forget(db: Db, now: datetime) -> bool:
    """Remove what is kept for a while only; says whether there may be more."""
    return await history.forget(db, now - FETCHES_KEPT, now - PREVIEWS_KEPT, FORGOTTEN_AT_ONCE)


async def ask_preview(db: Db, viewer: Viewer, url: str) -> UUID:
    """Have a worker look at an address; `preview` has what it found.

    Raises:
        NotAllowed: the viewer is no admin.
        Malformed: the address cannot be fetched.

    """
    _only_admins(viewer)
    preview_id = new_id()
    await history.ask_preview(db, preview_id, check_url(url))
    await outbox.emit(db, PreviewAsked(preview_id), key=preview_id)
    return preview_id


async def preview(db: Db, viewer: Viewer, preview_id: UUID) -> Preview | None:
    """Read what an address would bring; None while nobody has looked.

    Raises:
        NotAllowed: the viewer is no admin.
        NotFound: nobody asked, or it was asked long ago.

    """
    _only_admins(viewer)
    found = await history.preview(db, preview_id)
    if found is None:
        raise NotFound("There is no such preview.")
    return None if found[1] is None else msgspec.convert(found[1], Preview)


async def previewed(db: Db, preview_id: UUID) -> str | None:
    """Read which address is to be looked at, for the job; None when that was done."""
    found = await history.preview(db, preview_id)
    return found[0] if found is not None and found[1] is None else None


async def answer_preview(db: Db, preview_id: UUID, found: Preview) -> None:
    """Write down what was found at an address."""
    await history.answer_preview(db, preview_id, msgspec.to_builtins(found))


async def _insert(db: Db, url: str, new: NewSource, now: datetime) -> Source | None:
    values = {
        "url": url,
        # Until the feed has told its own.
        "title": new.title or url,
        "category": new.category,
        "language": new.language,
        "next_check_at": now,
        "host": host_of(url),
        "kind": new.kind,
    }
    return await store.insert(db, new_id(), values)


async def _note(db: Db, viewer: Viewer, action: str, source: Source, now: datetime) -> None:
    deed = Deed(
        action=action, target_kind="source", target_id=str(source.id), after={"url": source.url}
    )
    await audit.record(db, viewer, deed, now)


def _only_admins(viewer: Viewer) -> None:
    if not viewer.is_admin:
        raise NotAllowed("Only an admin may look after sources.")
