"""Pages of timelines: of what one follows, and of one person; and what keeps them true."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from msgspec import Struct
from msgspec.structs import asdict

from server import display, graph, users
from server.display import AuthorRef, Item
from server.graph import NoSuchPerson
from server.kernel import outbox
from server.kernel.database import Db
from server.kernel.problems import SignInFirst
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.timelines import modes, store
from server.timelines.events import Appeared
from server.timelines.model import (
    MOST_PASSED_OVER,
    TOP,
    Entry,
    Key,
    Purpose,
    TimelineItem,
    TimelinePage,
    TimelineQuery,
    read_cursor,
    write_cursor,
)
from server.timelines.timeline import Found, Timelines
from server.users import User

Look = Callable[[Key, int], Awaitable[Found]]


class _Gathered(Struct, frozen=True):
    """A page before it is written down."""

    items: list[TimelineItem]
    last: Key | None
    has_more: bool


async def following(services: Services, viewer: Viewer, query: TimelineQuery) -> TimelinePage:
    """Give a page of what those whom the viewer follows brought, and of the viewer's own.

    Raises:
        SignInFirst: the viewer is a visitor.
        CursorInvalid: the cursor is of another timeline, or was altered.

    """
    reader = viewer.id
    if reader is None:
        raise SignInFirst
    timelines = services.part(Timelines)

    async def look(before: Key, limit: int) -> Found:
        found = await timelines.after(reader, before, limit)
        async with services.database.read() as db:
            kept = await store.keep(db, [(reader, entry) for entry in found.entries])
        mine = [each for each in found.entries if (reader, each) in kept]
        return Found(mine, found.beyond, passed=len(found.entries) - len(mine))

    page = await _page(services, viewer, ("following", reader), query, look)
    if not page.items and query.cursor is None:
        async with services.database.read() as db:
            alone = not await graph.followees(db, reader)
        if alone:
            return TimelinePage([], None, None, has_more=False, hint="follow_somebody")
    return page


async def of_person(
    services: Services, viewer: Viewer, username: str, query: TimelineQuery
) -> TimelinePage:
    """Give a page of what one person posted and reposted.

    Raises:
        NoSuchPerson: there is no such person, or none for this viewer.
        CursorInvalid: the cursor is of another timeline, or was altered.

    """
    async with services.database.read() as db:
        person = await _person_for(db, viewer, username)

    async def look(before: Key, limit: int) -> Found:
        async with services.database.read() as db:
            entries = await store.newest_of(db, person.id, before, limit)
        return Found(entries, entries[-1].key if len(entries) == limit else None)

    return await _page(services, viewer, ("person", person.id), query, look)


async def note(db: Db, ids: Sequence[UUID]) -> None:
    """Note what of some items appears before followers, and tell of it; what is noted stays so."""
    await _tell(db, await store.note_posts(db, ids))


async def note_again(db: Db, ids: Sequence[UUID]) -> None:
    """Note items that are shown again, and who reposted them."""
    await _tell(db, [*await store.note_posts(db, ids), *await store.note_reposts(db, ids)])


async def note_repost(db: Db, item_id: UUID, user_id: UUID) -> None:
    """Note a repost, if it is still there."""
    await _tell(db, await store.note_reposts(db, [item_id], user_id))


async def drop_repost(db: Db, item_id: UUID, user_id: UUID) -> None:
    """Drop a repost, if it was taken back."""
    await _tell(db, await store.drop_repost(db, item_id, user_id), gone=True)


async def drop(db: Db, ids: Sequence[UUID]) -> None:
    """Drop items that are gone, and tell of those that appeared through their authors.

    A repost of what is gone is passed over by whoever reads; there may be very many of them.
    """
    dropped = await store.drop_items(db, ids)
    await _tell(db, [entry for entry in dropped if not entry.repost], gone=True)


async def weigh(services: Services, db: Db, user_id: UUID) -> None:
    """Let an author be written into timelines or be merged in, as the number of followers is."""
    policy = services.policy
    await modes.weigh(
        db,
        user_id,
        pull_from=policy.timeline_pull_from,
        push_below=policy.timeline_push_below,
    )


async def _tell(db: Db, entries: Sequence[Entry], *, gone: bool = False) -> None:
    for entry in entries:
        event = Appeared(
            actor_id=entry.actor_id,
            item_id=entry.item_id,
            at=entry.key.at,
            repost=entry.repost,
            gone=gone,
        )
        await outbox.emit(db, event, key=entry.actor_id)


async def _person_for(db: Db, viewer: Viewer, username: str) -> User:
    person = await users.by_username(db, username)
    if person is None:
        raise NoSuchPerson
    own = person.id == viewer.id or viewer.is_admin
    if not own and (
        person.state != "active" or not await graph.may_interact(db, viewer, person.id)
    ):
        raise NoSuchPerson
    return person


async def _page(
    services: Services,
    viewer: Viewer,
    whose: tuple[Purpose, UUID],
    query: TimelineQuery,
    look: Look,
) -> TimelinePage:
    secret, (purpose, owner) = services.policy.secret, whose
    place = read_cursor(secret, purpose, owner, query.cursor) if query.cursor else TOP
    gathered = await _gather(services, viewer, place, query, look)
    last = gathered.last
    cursor = write_cursor(secret, purpose, owner, last) if last else query.cursor
    return TimelinePage(gathered.items, cursor, cursor, gathered.has_more)


async def _gather(
    services: Services, viewer: Viewer, place: Key, query: TimelineQuery, look: Look
) -> _Gathered:
    """Look on until the page is full, one more is known, or nothing is left."""
    limit = query.limit
    shown: list[tuple[Key, TimelineItem]] = []
    passed, beyond = 0, place
    while passed <= MOST_PASSED_OVER:
        # A little more than is wanting: some of it will not be shown.
        wanting = limit + 1 - len(shown)
        found = await look(beyond, wanting + wanting // 4 + 4)
        entries, rest = found.entries, found.beyond
        if len(entries) > wanting:
            # Most are shown: what is beyond the page is not read for nothing.
            entries, rest = entries[:wanting], entries[wanting - 1].key
        here = await _shown(services, viewer, entries)
        shown += [(key, item) for key, item in here if query.kind in {None, item.type}]
        passed += len(entries) + found.passed
        if len(shown) > limit:
            return _Gathered(
                [item for _, item in shown[:limit]], shown[limit - 1][0], has_more=True
            )
        if rest is None:
            last = shown[-1][0] if shown else None
            return _Gathered([item for _, item in shown], last, has_more=False)
        beyond = rest
    return _Gathered([item for _, item in shown], beyond, has_more=True)


async def _shown(
    services: Services, viewer: Viewer, entries: Sequence[Entry]
) -> list[tuple[Key, TimelineItem]]:
    if not entries:
        return []
    async with services.database.read() as db:
        ids = [entry.item_id for entry in entries]
        items = await display.show(db, viewer, ids, services.storage)
        reposters = {entry.actor_id for entry in entries if entry.repost}
        people = await users.by_ids(db, reposters) if reposters else {}
    return [
        (entry.key, _item(items[entry.item_id], entry, people.get(entry.actor_id)))
        for entry in entries
        if not items[entry.item_id].retracted
    ]


def _item(item: Item, entry: Entry, reposter: User | None) -> TimelineItem:
    if not entry.repost or reposter is None:
        return TimelineItem(**asdict(item))
    by = AuthorRef(name=reposter.display_name, id=reposter.id, username=reposter.username)
    return TimelineItem(**asdict(item), reposted_by=by, reposted_at=entry.key.moment)
