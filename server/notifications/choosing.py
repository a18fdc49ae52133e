"""What people chose to be told of, and who is to be written to; the SQL of it."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct
from sqlalchemy import select, text

from server.kernel.database import Db
from server.notifications.model import (
    ChoiceChange,
    Digest,
    Kind,
    PreferencesChange,
    changed,
)
from server.notifications.store import inboxes

_DUE = text(
    """
    select user_id from engage.inboxes held
    where digest <> 'off'
      and digested_at <= cast(:now as timestamptz) - case digest when 'daily' then interval '1 day'
        else interval '7 days' end
      and exists (
        select from engage.notifications n
        where n.user_id = held.user_id and n.read_at is null and n.gone_at is null
          and n.updated_at > held.digested_at)
    order by digested_at limit :most
    """
)


class Chosen(Struct, frozen=True):
    """What somebody chose, and when the last letter left."""

    kinds: dict[Kind, ChoiceChange] = {}
    digest: Digest = "off"
    digested_at: datetime | None = None


async def of(db: Db, user_id: UUID) -> Chosen:
    """Read what somebody chose; nothing chosen is the defaults."""
    columns = (inboxes.c.choices, inboxes.c.digest, inboxes.c.digested_at)
    found = select(*columns).where(inboxes.c.user_id == user_id)
    row: Any = (await db.execute(found)).one_or_none()
    if row is None:
        return Chosen()
    kinds = msgspec.convert(row.choices, dict[Kind, ChoiceChange])
    return Chosen(kinds, row.digest, row.digested_at)


async def choose(db: Db, user_id: UUID, change: PreferencesChange, now: datetime) -> None:
    """Change what somebody chose; the caller holds the inbox."""
    before = await of(db, user_id)
    kinds = dict(before.kinds)
    for kind, by in change.kinds.items():
        kinds[kind] = changed(kinds.get(kind, ChoiceChange()), by)
    values: dict[str, Any] = {"choices": msgspec.to_builtins(kinds)}
    if change.digest is not UNSET and change.digest != before.digest:
        # The first letter tells of what comes from now on.
        values |= {"digest": change.digest, "digested_at": now}
    await db.execute(inboxes.update().where(inboxes.c.user_id == user_id).values(**values))


async def digests_due(db: Db, now: datetime, most: int) -> list[UUID]:
    """Find who is to be sent a letter with what is unread since the last."""
    return list((await db.execute(_DUE, {"now": now, "most": most})).scalars())


async def digested(db: Db, user_id: UUID, now: datetime) -> None:
    """Keep that a letter has left."""
    await db.execute(inboxes.update().where(inboxes.c.user_id == user_id).values(digested_at=now))
