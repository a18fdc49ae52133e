"""The edges, the deltas, the counters and the impressions, and their SQL."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from server.kernel.database import metadata

# Edges carry no foreign key to items: an old month is dropped in one piece, edges before items,
# and every insert looks for a live item in the same statement.
likes, bookmarks = (
    Table(
        name,
        metadata,
        Column("item_id", UUID, primary_key=True),
        Column("user_id", UUID, primary_key=True),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Index(f"ix_{name}_user", "user_id", text("created_at desc"), "item_id"),
        schema="engage",
        postgresql_partition_by="RANGE (item_id)",
    )
    for name in ("likes", "bookmarks")
)

FIELDS = ("likes", "comments", "reposts", "quotes", "bookmarks")

counter_delta = Table(
    "counter_delta",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("item_id", UUID, nullable=False),
    # The position in FIELDS.
    Column("field", SmallInteger, nullable=False),
    Column("change", Integer, nullable=False),
    CheckConstraint("field between 0 and 4", name="field"),
    schema="engage",
)

# No index on any count: an update then stays in its page (HOT), which is most of its cost.
item_counters = Table(
    "item_counters",
    metadata,
    Column("item_id", UUID, primary_key=True),
    *(Column(field, BigInteger, nullable=False, server_default="0") for field in FIELDS),
    Column("version", BigInteger, nullable=False, server_default="0"),
    schema="engage",
    postgresql_with={"fillfactor": 70},
)

impressions = Table(
    "impressions",
    metadata,
    Column("session_id", UUID, primary_key=True),
    Column("item_id", UUID, primary_key=True),
    Column("user_id", UUID),
    Column("feed", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index(
        "ix_impressions_user",
        "user_id",
        text("seen_at desc"),
        postgresql_where=text("user_id is not null"),
    ),
    schema="engage",
)
