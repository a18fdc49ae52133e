"""Writing down what concerns people, and taking it back."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from server import graph
from server.kernel import outbox
from server.kernel.database import Db
from server.kernel.viewer import Viewer
from server.notifications import changing, store
from server.notifications.changing import Held, KnownActor
from server.notifications.events import NotificationDispatched, NotificationsGone
from server.notifications.model import TAKEN_BACK, Notice, choice_of

PURGED_AT_ONCE = 500
GONE_KEPT = timedelta(days=30)


async def notify(db: Db, notices: Sequence[Notice], now: datetime) -> list[UUID]:
    """Let people know, in groups; gives what was written.

    It is no news to anybody what they did themselves, what is done by whom they blocked or muted,
    or by who blocked them, and what was done, taken back and done again.
    """
    concerned = await _concerned(db, notices)
    if not concerned:
        return []
    held = await changing.hold(db, {each.user_id for each in concerned})
    known = await changing.known(
        db, [(each.user_id, each.group_key, each.actor_id) for each in concerned if each.actor_id]
    )
    groups: dict[tuple[UUID, str], list[Notice]] = {}
    for notice in concerned:
        groups.setdefault((notice.user_id, notice.group_key), []).append(notice)
    written: list[UUID] = []
    for (user_id, _), group in groups.items():
        written += await _write(db, group, held[user_id], known, now)
    return written


async def take_back(db: Db, notices: Sequence[Notice], now: datetime) -> None:
    """Count people no longer in what their owners have not seen; what was seen stays."""
    asked = [(each.user_id, each.group_key, each.actor_id) for each in notices if each.actor_id]
    if not asked:
        return
    held = await changing.hold(db, {each.user_id for each in notices})
    known = await changing.known(db, asked)
    for notice in notices:
        if notice.actor_id is None:
            continue
        for found in known.get((notice.user_id, notice.group_key, notice.actor_id), ()):
            if found.unseen and found.unread and not found.withdrawn:
                await _withdraw(db, notice, found, held[notice.user_id].change, now)


async def retract(
    db: Db, item_ids: Collection[UUID], now: datetime, but_of: UUID | None = None
) -> None:
    """Take out of every inbox, but perhaps one, what is about items that are gone."""
    owners = [each for each in await changing.owners_of(db, item_ids) if each != but_of]
    if not owners:
        return
    held = await changing.hold(db, owners)
    for user_id, ids in (await changing.retract(db, owners, item_ids, now)).items():
        event = NotificationsGone(user_id=user_id, ids=ids, change=held[user_id].change)
        await outbox.emit(db, event, key=user_id)


async def purge(db: Db, now: datetime, days: int) -> bool:
    """Remove a batch of what is too old to be kept; False when nothing of the kind is left.

    What is gone stays a while longer than any session stays away with the cursor that it holds.
    """
    kept = timedelta(days=days)
    removed = await store.purge(
        db, before=now - kept, gone_before=now - min(kept, GONE_KEPT), most=PURGED_AT_ONCE
    )
    return removed == PURGED_AT_ONCE


async def forget(db: Db, item_ids: Collection[UUID], user_ids: Collection[UUID]) -> None:
    """Remove what was told about items and to people that are removed whole."""
    await store.forget(db, item_ids, user_ids)


async def _concerned(db: Db, notices: Sequence[Notice]) -> list[Notice]:
    """Leave out what is one's own doing, and what its owner does not want to hear."""
    of_others: dict[UUID, set[UUID]] = {}
    for each in notices:
        if each.actor_id is not None and each.actor_id != each.user_id:
            of_others.setdefault(each.user_id, set()).add(each.actor_id)
    hidden = {
        owner: await graph.hidden_authors(db, Viewer(owner, "user"), actors)
        for owner, actors in of_others.items()
    }
    return [
        each
        for each in notices
        if each.actor_id != each.user_id and each.actor_id not in hidden.get(each.user_id, ())
    ]


async def _write(
    db: Db,
    group: Sequence[Notice],
    held: Held,
    known: dict[tuple[UUID, str, UUID], list[KnownActor]],
    now: datetime,
) -> list[UUID]:
    """Write what is told of one group, as far as it is news."""
    latest = {each.actor_id or index: each for index, each in enumerate(group)}
    news: list[Notice] = []
    fresh = 0
    written: list[UUID] = []
    for each in latest.values():
        standing: Sequence[KnownActor] = ()
        if each.actor_id:
            standing = known.get((each.user_id, each.group_key, each.actor_id), ())
        if each.kind in TAKEN_BACK and standing:
            written += await _restore(db, each, standing, held.change, now)
            continue
        news.append(each)
        fresh += not any(found.unread and not found.withdrawn for found in standing)
    if not news:
        return written
    choice = choice_of(held.choices, news[-1].kind)
    notification_id = await changing.grow(
        db, news, fresh=fresh, quiet=not choice.in_app, change=held.change, now=now
    )
    await _dispatch(db, news[-1].user_id, notification_id, held.change, news=True)
    return [*written, notification_id]


async def _restore(
    db: Db, notice: Notice, standing: Sequence[KnownActor], change: int, now: datetime
) -> list[UUID]:
    """Count again, without a word, who took it back before it was seen."""
    restored: list[UUID] = []
    for found in standing:
        if found.withdrawn and found.unread and notice.actor_id:
            here = found.notification_id
            await changing.withdraw(db, notice, [notice.actor_id], here, withdrawn=False)
            await changing.count(db, notice.user_id, here, more=1, change=change, now=now)
            await _dispatch(db, notice.user_id, here, change, news=False)
            restored.append(here)
    return restored


async def _withdraw(db: Db, notice: Notice, found: KnownActor, change: int, now: datetime) -> None:
    here = found.notification_id
    if notice.actor_id is None:
        return
    await changing.withdraw(db, notice, [notice.actor_id], here, withdrawn=True)
    nobody = await changing.count(db, notice.user_id, here, more=-1, change=change, now=now)
    if nobody:
        gone = NotificationsGone(user_id=notice.user_id, ids=[here], change=change)
        await outbox.emit(db, gone, key=notice.user_id)
    else:
        await _dispatch(db, notice.user_id, here, change, news=False)


async def _dispatch(
    db: Db, user_id: UUID, notification_id: UUID, change: int, *, news: bool
) -> None:
    event = NotificationDispatched(user_id=user_id, id=notification_id, change=change, news=news)
    await outbox.emit(db, event, key=user_id)
