"""The table of media, and its SQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    DateTime,
    Float,
    Index,
    Integer,
    Select,
    Table,
    Text,
    Update,
    bindparam,
    case,
    column,
    func,
    select,
    table,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.kernel.database import Db, metadata
from server.kernel.ids import new_id
from server.media.model import PROFILE, Attempt, Card, Poster, State, Video

media = Table(
    "media",
    metadata,
    Column("id", PG_UUID, primary_key=True),
    Column("owner_id", PG_UUID),
    # The item that this is the card of; an upload has none until it is posted.
    Column("item_id", PG_UUID),
    # What was made by which recipe from which input: the same work is never done twice.
    Column("profile", Text, nullable=False),
    Column("input_digest", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("progress", Float, nullable=False, server_default="0"),
    # The attempt that may write the result; an older worker's late answer is refused.
    Column("attempt", PG_UUID),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("error", Text),
    # Names in the storage, not addresses: addresses are signed when they are read.
    Column("poster_key", Text),
    Column("video_key", Text),
    Column("mime", Text),
    Column("width", Integer),
    Column("height", Integer),
    Column("bytes", BigInteger),
    Column("duration_sec", Float),
    Column("details", JSONB, nullable=False, server_default="{}"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("state in ('waiting', 'poster', 'encoding', 'ready', 'failed')", name="state"),
    Index("uq_media_item_profile", "item_id", "profile", unique=True),
    Index("ix_media_state", "state", "updated_at"),
    schema="content",
)


# Only read, and only to order by: what was published last is looked at first. An id tells when an
# item came, which says little of the two hundred that come with a new source.
_items = table("items", column("id"), column("sort_at"), schema="content")
_LAST_PUBLISHED_FIRST = (_items.c.sort_at.desc().nulls_last(), media.c.item_id.desc())
_WAITS = (media.c.state == "waiting") & (media.c.profile == PROFILE)
_CARD = (media.c.item_id, media.c.state, media.c.poster_key, media.c.video_key)


async def add_cards(db: Db, ids: Sequence[UUID]) -> list[UUID]:
    """Make a waiting card for each item that has none; gives those that were made."""
    if not ids:
        return []
    rows = [
        {"id": new_id(), "item_id": item_id, "profile": PROFILE, "input_digest": ""}
        for item_id in ids
    ]
    # The conflict needs the index that makes it: one card of a recipe for an item.
    added = await db.execute(
        insert(media)
        .values(rows)
        .on_conflict_do_nothing(index_elements=["item_id", "profile"])
        .returning(media.c.item_id)
    )
    return [row.item_id for row in added]


async def cards(db: Db, ids: Sequence[UUID]) -> dict[UUID, Card]:
    """Read the cards of items by their ids."""
    if not ids:
        return {}
    rows = await db.execute(
        select(*_CARD, media.c.duration_sec).where(_of(ids), media.c.profile == PROFILE)
    )
    return {row.item_id: Card(**row._mapping) for row in rows}  # noqa: SLF001 - a public name


async def waiting(db: Db, *, since: datetime, limit: int) -> list[UUID]:
    """Find items whose poster was to be drawn for so long, the last published first."""
    rows = await db.execute(_in_order().where(_WAITS, media.c.updated_at < since).limit(limit))
    return list(rows.scalars())


async def waiting_among(db: Db, ids: Sequence[UUID]) -> list[UUID]:
    """Tell of which of these items the poster is still to be drawn, the last published first."""
    if not ids:
        return []
    rows = await db.execute(_in_order().where(_WAITS, _of(ids)))
    return list(rows.scalars())


async def unrendered(db: Db, *, silent_since: datetime, limit: int) -> list[UUID]:
    """Find items with a poster, no video and nobody at work on it; the last published first."""
    abandoned = (media.c.state == "encoding") & (media.c.updated_at < silent_since)
    rows = await db.execute(
        _in_order()
        .where((media.c.state == "poster") | abandoned, media.c.profile == PROFILE)
        .limit(limit)
    )
    return list(rows.scalars())


async def next_untried(db: Db) -> UUID | None:
    """Find the last published item whose film nobody has tried, and hold it for this transaction.

    What another transaction holds is passed over.
    """
    row = await db.execute(
        _in_order()
        .where(media.c.state == "poster", media.c.attempts == 0, media.c.profile == PROFILE)
        .limit(1)
        .with_for_update(of=media, skip_locked=True)
    )
    found: UUID | None = row.scalar_one_or_none()
    return found


async def save_poster(db: Db, poster: Poster, *, state: State) -> State | None:
    """Write a poster to a card that waits for one; the new state, or None if it does not wait.

    A film that was made from the same input is kept, and with it the card is ready.
    """
    same = (media.c.input_digest == poster.input_digest) & media.c.video_key.is_not(None)
    row = await db.execute(
        _update(poster.item_id)
        .where(media.c.state == "waiting")
        .values(
            state=case((same, "ready"), else_=state),
            input_digest=poster.input_digest,
            poster_key=poster.key,
            video_key=case((same, media.c.video_key)),
            duration_sec=case((same, media.c.duration_sec)),
            progress=case((same, 1.0), else_=0.0),
            attempts=0,
            error=None,
        )
        .returning(media.c.state)
    )
    written: State | None = row.scalar_one_or_none()
    return written


async def reopen(db: Db, ids: Sequence[UUID]) -> None:
    """Let cards wait anew for a poster; attempts that are under way lose their right."""
    await db.execute(
        update(media)
        .where(_of(ids), media.c.profile == PROFILE)
        .values(state="waiting", attempt=None, attempts=0, updated_at=func.now())
    )


async def abandon(db: Db, item_id: UUID, *, silent_since: datetime, most: int) -> bool:
    """Let a card fail whose last attempt fell silent; False when it is not at that point."""
    changed = await db.execute(
        _update(item_id)
        .where(
            media.c.state == "encoding",
            media.c.updated_at < silent_since,
            media.c.attempts >= most,
        )
        .values(state="failed", attempt=None, error="No attempt came back.")
    )
    return changed.rowcount == 1


async def begin(db: Db, item_id: UUID, token: UUID, *, silent_since: datetime) -> int | None:
    """Give the right to render to an attempt; its number, or None when there is nothing to do."""
    abandoned = (media.c.state == "encoding") & (media.c.updated_at < silent_since)
    row = await db.execute(
        _update(item_id)
        .where((media.c.state == "poster") | abandoned)
        .values(state="encoding", attempt=token, attempts=media.c.attempts + 1, progress=0.0)
        .returning(media.c.attempts)
    )
    number: int | None = row.scalar_one_or_none()
    return number


async def progress(db: Db, attempt: Attempt, done: float) -> bool:
    """Note how far an attempt is; False when it was taken over."""
    changed = await db.execute(_held_by(attempt).values(progress=done))
    return changed.rowcount == 1


async def finish(db: Db, attempt: Attempt, video: Video) -> bool:
    """Write the result of an attempt; False when it was taken over."""
    changed = await db.execute(
        _held_by(attempt).values(
            state="ready",
            attempt=None,
            progress=1.0,
            error=None,
            video_key=video.key,
            mime=video.mime,
            width=video.width,
            height=video.height,
            bytes=video.bytes,
            duration_sec=video.duration_sec,
        )
    )
    return changed.rowcount == 1


async def give_up(db: Db, attempt: Attempt, state: State, error: str) -> bool:
    """Write why an attempt failed and what comes now; False when it was taken over."""
    changed = await db.execute(
        _held_by(attempt).values(state=state, attempt=None, error=error[:500])
    )
    return changed.rowcount == 1


async def set_aside(db: Db, ids: Sequence[UUID], error: str) -> None:
    """Take cards that wait out of the queue for good."""
    await db.execute(
        update(media)
        .where(_of(ids), media.c.profile == PROFILE, media.c.state == "waiting")
        .values(state="failed", error=error, updated_at=func.now())
    )


def _in_order() -> Select[UUID]:
    # Outer: of an item that is gone, the card is to be given up by whoever takes it.
    joined = media.outerjoin(_items, _items.c.id == media.c.item_id)
    return select(media.c.item_id).select_from(joined).order_by(*_LAST_PUBLISHED_FIRST)


def _of(ids: Sequence[UUID]) -> ColumnElement[bool]:
    # One parameter, and so one statement to prepare, however many ids there are.
    return media.c.item_id == func.any(bindparam(None, list(ids), ARRAY(PG_UUID)))


def _update(item_id: UUID) -> Update:
    return (
        update(media)
        .where(media.c.item_id == item_id, media.c.profile == PROFILE)
        .values(updated_at=func.now())
    )


def _held_by(attempt: Attempt) -> Update:
    return _update(attempt.item_id).where(
        media.c.attempt == attempt.token, media.c.state == "encoding"
    )


async def forget(db: Db, ids: Sequence[UUID]) -> list[str]:
    """Remove the media of items, and give the names in the storage that are free now."""
    gone = media.delete().where(_of(ids)).returning(media.c.poster_key, media.c.video_key)
    return [key for row in await db.execute(gone) for key in row if key is not None]
