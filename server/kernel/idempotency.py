"""A request that is sent again is done once: what it did and what it was answered, for a day.

A client that does not know whether its POST arrived sends it again with the same
`Idempotency-Key`. The key is written in the transaction of the effect itself, so after a crash
either both are there or neither; the same request then gets the answer that the first one got.
A request that was refused has had no effect and leaves no key: it may be mended and sent again.
"""

import re
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import Column, DateTime, Index, LargeBinary, SmallInteger, Table, Text, func, text
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.exc import DBAPIError

from server.kernel.database import Db, metadata
from server.kernel.problems import Conflict, Malformed
from server.kernel.viewer import Viewer

HEADER = "idempotency-key"
REPLAYED = "idempotency-replayed"
KEPT = timedelta(hours=24)
# Whoever is sent again while the first is at work waits so long for its answer, and no longer.
PATIENCE = "250ms"
FORGET_AT_ONCE = 5_000

_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_LOCK_TIMED_OUT = "55P03"

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    # Two people, or two addresses, may use the same key.
    Column("viewer_id", PG_UUID, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    # SHA-256 of the body: another body under the same key is a mistake of the client.
    Column("digest", LargeBinary, nullable=False),
    Column("status", SmallInteger),
    Column("answer", LargeBinary),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index(None, "created_at"),
    schema="ops",
)


class KeyInUse(Conflict):
    """A request with this Idempotency-Key is still being carried out."""


class KeyReused(Malformed):
    """The Idempotency-Key was used for another request."""


class Claim(Struct, frozen=True):
    """A request that may come again: whose it is, where it went, its key and its content."""

    viewer: Viewer
    route: str
    key: str
    digest: bytes


class Answer(Struct, frozen=True):
    """What the first request of a key was answered."""

    status: int
    content: bytes


def checked(key: str) -> str:
    """Give the key back if it is one.

    Raises:
        Malformed: it is empty, too long, or holds blanks or letters beyond ASCII.

    """
    if _KEY.fullmatch(key) is None:
        raise Malformed("An Idempotency-Key has 1 to 200 characters of ASCII, without blanks.")
    return key


_PATIENT = text(f"set local lock_timeout = '{PATIENCE}'")
_AS_BEFORE = text("set local lock_timeout to default")
# A key from more than a day ago is as good as none.
_TAKE = text(
    """
    insert into ops.idempotency_keys as kept (viewer_id, route, key, digest, created_at)
    values (:viewer_id, :route, :key, :digest, :now)
    on conflict (viewer_id, route, key) do update
      set digest = excluded.digest, status = null, answer = null, created_at = excluded.created_at
      where kept.created_at <= :oldest
    returning 1
    """
)
_FIND = text(
    """
    select digest, status, answer from ops.idempotency_keys
    where viewer_id = :viewer_id and route = :route and key = :key
    """
)
_KEEP = text(
    """
    update ops.idempotency_keys set status = :status, answer = :answer
    where viewer_id = :viewer_id and route = :route and key = :key
    """
)
_FORGET = text(
    """
    delete from ops.idempotency_keys where ctid = any(array(
      select ctid from ops.idempotency_keys
      where created_at <= :oldest order by created_at limit :most))
    """
)


async def claim(db: Db, claimed: Claim, now: datetime) -> Answer | None:
    """Take a key in the transaction of its request; None when the request is to be done now.

    Raises:
        KeyInUse: the same request is being done at this moment.
        KeyReused: the key belongs to another request.

    """
    await db.execute(_PATIENT)
    times = {"now": now, "oldest": now - KEPT}
    try:
        taken = await db.execute(_TAKE, {**_place(claimed), "digest": claimed.digest, **times})
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_TIMED_OUT:
            raise
        raise KeyInUse("Send it again in a moment.") from error
    is_new = taken.first() is not None
    await db.execute(_AS_BEFORE)
    if is_new:
        return None
    row = (await db.execute(_FIND, _place(claimed))).one()
    if row.digest != claimed.digest:
        raise KeyReused("The key came before, here, with another content.")
    return Answer(row.status, row.answer)


async def keep(db: Db, claimed: Claim, answer: Answer) -> None:
    """Keep what a request was answered, to be given again."""
    await db.execute(_KEEP, {**_place(claimed), "status": answer.status, "answer": answer.content})


async def forget(db: Db, now: datetime) -> bool:
    """Drop a batch of keys from more than a day ago; False when no more are left."""
    gone = await db.execute(_FORGET, {"oldest": now - KEPT, "most": FORGET_AT_ONCE})
    return gone.rowcount == FORGET_AT_ONCE


def _place(claimed: Claim) -> dict[str, object]:
    return {
        "viewer_id": claimed.viewer.id,
        "route": claimed.route,
        "key": claimed.key,
    }
