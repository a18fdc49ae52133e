"""Who is told outside the app: the browsers that subscribed, and the SQL of their subscriptions."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import Column, DateTime, Index, LargeBinary, Table, Text, func, select, text
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.dialects.postgresql import insert as pg_insert

from server.kernel.database import Db, metadata
from server.kernel.ids import new_id
from server.kernel.services import Policy, Services
from server.notifications import reading, store
from server.notifications.digest import sentence
from server.notifications.events import NotificationDispatched
from server.notifications.model import ChoiceChange, Kind, choice_of
from server.notifications.tasks import PUSH, PushOne, push_id

MOST_SUBSCRIPTIONS = 20
LONGEST_SAID = 500
# What a telephone was not told of within an hour is no news any more.
STALE = timedelta(hours=1)
UNSENT_AFTER = timedelta(seconds=60)

push_subscriptions = Table(
    "push_subscriptions",
    metadata,
    Column("id", PG_UUID, primary_key=True),
    Column("user_id", PG_UUID, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("p256dh", LargeBinary, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # A browser belongs to whoever is signed in at it now.
    Index("uq_push_subscriptions_endpoint", "endpoint", unique=True),
    Index("ix_push_subscriptions_user", "user_id"),
    schema="engage",
)

_TO_RING = text(
    """
    select n.user_id, n.id, n.kind, n.version, held.choices
    from engage.notifications n join engage.inboxes held on held.user_id = n.user_id
    where n.user_id = any(:users) and (:all or n.id = any(:ids))
      and n.read_at is null and n.gone_at is null and n.version > n.seen_version
      and n.version > n.pushed_version and n.updated_at > :since and n.updated_at <= :until
      and exists (select from engage.push_subscriptions s where s.user_id = n.user_id)
    order by n.updated_at limit 500
    """
)
_SUBSCRIBED = text("select distinct user_id from engage.push_subscriptions limit 10000")
_CLAIM = text(
    """
    update engage.notifications set pushed_version = :version
    where user_id = :user_id and id = :id and pushed_version < :version
      and read_at is null and gone_at is null and seen_version < :version
    returning id
    """
)


class BrowserPush(Struct, frozen=True):
    """What a browser is told of a notification, to be shown by its service worker."""

    id: UUID
    kind: Kind
    said: str
    item_id: UUID | None
    url: str


class Subscription(Struct, frozen=True):
    """A browser that wants to be told, and the keys that only it can open."""

    id: UUID
    endpoint: str
    p256dh: bytes
    secret: bytes


async def ring(
    services: Services, db: Db, owner: UUID, told: Sequence[NotificationDispatched]
) -> None:
    """Queue the telling of somebody's telephones, if there are any and they chose so."""
    if told:
        now = services.clock.now()
        await _queue(services, await _to_ring(db, [owner], {each.id for each in told}, now, now))


async def ring_late(services: Services) -> None:
    """Queue what telephones should have been told by now: a queue may have been lost."""
    now = services.clock.now()
    async with services.database.read() as db:
        owners = list((await db.execute(_SUBSCRIBED)).scalars())
        if owners:
            due = await _to_ring(db, owners, None, now, now - UNSENT_AFTER)
            await _queue(services, due)


async def to_push(db: Db, policy: Policy, args: PushOne) -> BrowserPush | None:
    """Write what browsers are told of a notification; None when it is known, or gone, by now."""
    kept = await store.one(db, args.user_id, args.id)
    stale = kept is None or kept.version != args.version or kept.pushed_version >= args.version
    if kept is None or stale or kept.read_at is not None or kept.seen_version >= args.version:
        return None
    (shown,) = await reading.shown(db, [kept])
    return BrowserPush(
        id=shown.id,
        kind=shown.kind,
        said=sentence(shown)[:LONGEST_SAID],
        item_id=shown.item_id,
        url=f"{policy.page_url}/",
    )


async def claim(db: Db, args: PushOne) -> bool:
    """Keep that telephones are told now; False when they were, or there is no need any more."""
    return (await db.execute(_CLAIM, msgspec.structs.asdict(args))).first() is not None


async def subscribe(db: Db, user_id: UUID, endpoint: str, p256dh: bytes, secret: bytes) -> UUID:
    """Keep a browser's subscription; the same one again gets its new keys and its new owner."""
    given = {"user_id": user_id, "p256dh": p256dh, "secret": secret}
    statement = (
        pg_insert(push_subscriptions)
        .values(id=new_id(), endpoint=endpoint, **given)
        .on_conflict_do_update(index_elements=["endpoint"], set_=given)
        .returning(push_subscriptions.c.id)
    )
    kept: UUID = (await db.execute(statement)).scalar_one()
    of_user = push_subscriptions.c.user_id == user_id
    newest = (
        select(push_subscriptions.c.id)
        .where(of_user)
        .order_by(push_subscriptions.c.id.desc())
        .limit(MOST_SUBSCRIPTIONS)
    )
    await db.execute(
        push_subscriptions.delete().where(
            of_user, push_subscriptions.c.id != kept, push_subscriptions.c.id.not_in(newest)
        )
    )
    return kept


async def unsubscribe(db: Db, user_id: UUID, endpoint: str) -> None:
    """Forget a browser."""
    table = push_subscriptions
    await db.execute(table.delete().where(table.c.user_id == user_id, table.c.endpoint == endpoint))


async def subscriptions(db: Db, user_id: UUID) -> list[Subscription]:
    """Read somebody's browsers."""
    columns = [push_subscriptions.c[name] for name in Subscription.__struct_fields__]
    found = select(*columns).where(push_subscriptions.c.user_id == user_id)
    return [Subscription(*row) for row in await db.execute(found)]


async def drop(db: Db, ids: Collection[UUID]) -> None:
    """Forget browsers that their push services know no more."""
    await db.execute(push_subscriptions.delete().where(push_subscriptions.c.id.in_(ids)))


async def _to_ring(
    db: Db, owners: Collection[UUID], ids: Collection[UUID] | None, now: datetime, until: datetime
) -> list[PushOne]:
    given = {"users": list(owners), "all": ids is None, "ids": list(ids or ())}
    rows = await db.execute(_TO_RING, {**given, "since": now - STALE, "until": until})
    return [
        PushOne(row.user_id, row.id, row.version)
        for row in rows
        if choice_of(msgspec.convert(row.choices, dict[Kind, ChoiceChange]), row.kind).push
    ]


async def _queue(services: Services, due: Sequence[PushOne]) -> None:
    if due:
        await services.queue.enqueue_many(PUSH, [(push_id(each), each) for each in due])
