"""A request that is sent again is done once: what it did and what it was answered, for a day.

A client that does not know whether its POST arrived sends it again with the same
`Idempotency-Key`. The key is written in the transaction of the effect itself, so after a crash
either both are there or neither; the same request then gets the answer that the first one got.
"""

from datetime import timedelta

from sqlalchemy import Column, DateTime, Index, LargeBinary, SmallInteger, Table, Text, func
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.kernel.database import metadata

KEPT = timedelta(hours=24)

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
