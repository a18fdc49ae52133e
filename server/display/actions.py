"""Items as one viewer sees them, read for many at once."""

from collections.abc import Collection, Mapping
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from server import engagement, items, media, sources, users
from server.display import posted
from server.display.model import AuthorRef, Item, SourceRef
from server.display.posted import Posted
from server.display.visibility import visible
from server.engagement import Counts, Flags, NoSuchItem
from server.items import StoredItem
from server.kernel.database import Db
from server.kernel.storage import Storage
from server.kernel.viewer import Viewer
from server.media import Card
from server.sources import Source
from server.users import User


class _Read(Struct, frozen=True):
    """What was read of all items of a page, to be put together item by item."""

    cards: Mapping[UUID, Card]
    sources: Mapping[UUID, Source]
    users: Mapping[UUID, User]
    counts: Mapping[UUID, Counts]
    flags: Flags
    posted: Posted
    quoted: Mapping[UUID, Item]
    signed_in: bool


async def show(
    db: Db, viewer: Viewer, ids: Collection[UUID], storage: Storage, *, whole: bool = False
) -> dict[UUID, Item]:
    """Give items as the viewer sees them, in seven reads however many there are.

    Every id is answered: what was retracted, is not there, or is not for this viewer to see, by an
    item that says only that it is gone. Whom the viewer muted is shown only with `whole`.
    The HTML to read is sent only with `whole`, since a page of a feed would be mostly that.
    Where there are posts they are read besides, and what they quote, but not what that quotes.
    """
    return await _show(db, viewer, ids, storage, whole=whole, deep=True)


async def _show(
    db: Db,
    viewer: Viewer,
    ids: Collection[UUID],
    storage: Storage,
    *,
    whole: bool,
    deep: bool,
) -> dict[UUID, Item]:
    wanted = list(dict.fromkeys(ids))
    found = await items.by_ids(db, wanted) if wanted else {}
    authors = await users.by_ids(
        db, {item.author_id for item in found.values() if item.author_id is not None}
    )
    seen = await visible(db, viewer, found.values(), authors, muted=whole)
    live = {item_id: item for item_id, item in found.items() if item_id in seen}
    read = await _read(db, viewer, live, authors)
    if deep and read.posted.quoted:
        quoted = read.posted.quoted
        embedded = await _show(db, viewer, quoted, storage, whole=False, deep=False)
        read = replace(read, quoted=embedded)
    return {
        item_id: _item(live[item_id], read, storage, whole=whole)
        if item_id in live
        else Item(id=item_id, retracted=True)
        for item_id in wanted
    }


async def seen(db: Db, viewer: Viewer, found: Collection[StoredItem]) -> set[UUID]:
    """Choose the ids of those items that the viewer may see where they ask for them."""
    authors = await users.by_ids(db, {each.author_id for each in found if each.author_id})
    return await visible(db, viewer, found, authors, muted=True)


async def one(db: Db, viewer: Viewer, item_id: UUID, storage: Storage) -> Item:
    """Give one item whole.

    Raises:
        NoSuchItem: there is none, or it was retracted.

    """
    item = (await show(db, viewer, [item_id], storage, whole=True))[item_id]
    if item.retracted:
        raise NoSuchItem
    return item


async def _read(
    db: Db, viewer: Viewer, live: Mapping[UUID, StoredItem], authors: Mapping[UUID, User]
) -> _Read:
    ids = list(live)
    source_ids = {item.source_id for item in live.values() if item.source_id}
    return _Read(
        cards=await media.cards(db, ids) if ids else {},
        sources=await sources.by_ids(db, source_ids) if source_ids else {},
        users=authors,
        counts=await engagement.counts(db, ids),
        flags=await engagement.flags(db, viewer, ids),
        posted=await posted.read(db, viewer, live.values()),
        quoted={},
        signed_in=viewer.id is not None,
    )


def _item(item: StoredItem, read: _Read, storage: Storage, *, whole: bool) -> Item:
    card = read.cards.get(item.id)
    ready = card is not None and card.state == "ready"
    return Item(
        id=item.id,
        type=item.kind,
        title=item.title,
        body_text=item.body_text,
        body_html=item.body_html if whole else None,
        original_url=item.url,
        media_url=_film(item, card, storage) if card is not None and ready else None,
        poster_url=storage.url(card.poster_key) if card and card.poster_key else None,
        image_url=_image(item, card, storage),
        duration_sec=card.duration_sec if card is not None and ready else item.duration_sec,
        audio_url=item.audio_url,
        chapters=item.chapters,
        embedding_id=f"{items.EMBEDDING_MODEL}:{item.id}",
        published_at=item.published_at,
        category=item.category,
        language=item.language,
        source=_source(item, read),
        author=_author(item, read),
        target_id=item.target_id,
        tags=item.tags,
        edited_at=item.edited_at if item.author_id else None,
        **posted.extras(item.id, read.posted, read.quoted, storage),
        counts=read.counts[item.id],
        liked_by_me=_mine(item.id in read.flags.liked, read),
        bookmarked_by_me=_mine(item.id in read.flags.bookmarked, read),
        reposted_by_me=_mine(item.id in read.flags.reposted, read),
    )


def _mine(flag: bool, read: _Read) -> bool | UnsetType:  # noqa: FBT001 - the flag is the subject
    return flag if read.signed_in else UNSET


def _image(item: StoredItem, card: Card | None, storage: Storage) -> str | None:
    # Ours, once it is kept: no stranger's server need learn who reads what.
    kept = storage.url(item.image_key) if item.image_key else None
    return kept or item.image_url or _picture(card, storage)


def _picture(card: Card | None, storage: Storage) -> str | None:
    # An item that brought no picture has that of its card.
    return storage.url(card.picture_key) if card is not None and card.picture_key else None


def _film(item: StoredItem, card: Card, storage: Storage) -> str | None:
    # Ready without a film of ours: the item brought its own.
    return storage.url(card.video_key) if card.video_key else item.video_url


def _source(item: StoredItem, read: _Read) -> SourceRef | None:
    source = read.sources.get(item.source_id) if item.source_id else None
    return SourceRef(id=source.id, title=source.title, url=source.site_url) if source else None


def _author(item: StoredItem, read: _Read) -> AuthorRef | None:
    user = read.users.get(item.author_id) if item.author_id else None
    if user is not None:
        return AuthorRef(name=user.display_name, id=user.id, username=user.username)
    return AuthorRef(name=item.author_name) if item.author_name else None
