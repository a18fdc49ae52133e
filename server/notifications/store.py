"""The table of notifications, and its SQL."""

from sqlalchemy import Column, DateTime, Index, Integer, Table, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from server.kernel.database import metadata

notifications = Table(
    "notifications",
    metadata,
    Column("user_id", UUID, primary_key=True),
    Column("id", UUID, primary_key=True),
    Column("kind", Text, nullable=False),
    # What it is about, and the item where it happened.
    Column("target_id", UUID, nullable=False),
    Column("item_id", UUID, nullable=False),
    Column("comment_id", UUID),
    # Newest first, distinct, bounded; `actor_count` counts them all.
    Column("actor_ids", ARRAY(UUID), nullable=False),
    Column("actor_count", Integer, nullable=False, server_default="1"),
    Column("excerpt", Text, nullable=False, server_default=""),
    # Unread notifications of one kind on one target are one row.
    Column("group_key", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("read_at", DateTime(timezone=True)),
    Index(
        "uq_notifications_unread_group",
        "user_id",
        "group_key",
        unique=True,
        postgresql_where=text("read_at is null"),
    ),
    Index("ix_notifications_newest", "user_id", text("updated_at desc"), text("id desc")),
    schema="engage",
)
