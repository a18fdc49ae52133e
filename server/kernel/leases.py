"""One holder at a time, by a row: works behind any pooler; a dead holder is replaced."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Column, DateTime, Table, Text, func, text
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.kernel.database import Db, metadata

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", PG_UUID, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    schema="ops",
)

_TAKE = text(
    """
    insert into ops.leases as held (name, holder, expires_at)
    values (:name, :holder, now() + :span)
    on conflict (name) do update set holder = excluded.holder, expires_at = excluded.expires_at
      where held.holder = excluded.holder or held.expires_at <= now()
    returning 1
    """
)


async def take(db: Db, name: str, holder: UUID, span: timedelta) -> bool:
    """Take or renew a lease by the database's clock; False when another holds it."""
    row = await db.execute(_TAKE, {"name": name, "holder": holder, "span": span})
    return row.first() is not None


async def give_up(db: Db, name: str, holder: UUID) -> None:
    """End a lease early, so that the next holder need not wait for its end."""
    await db.execute(leases.delete().where(leases.c.name == name, leases.c.holder == holder))
