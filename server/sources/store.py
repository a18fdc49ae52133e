"""The table of sources, and its SQL."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from server.kernel.database import metadata

sources = Table(
    "sources",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("url", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("site_url", Text),
    Column("category", Text),
    Column("language", Text),
    Column("licence", Text),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    # Demo content is marked, so that it can be taken away again without touching anything else.
    Column("demo", Boolean, nullable=False, server_default=text("false")),
    Column("etag", Text),
    Column("last_modified", Text),
    Column("next_check_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("last_fetch_at", DateTime(timezone=True)),
    Column("last_success_at", DateTime(timezone=True)),
    Column("last_status", Integer),
    Column("last_error", Text),
    Column("error_count", Integer, nullable=False, server_default="0"),
    Column("item_count", Integer, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("error_count >= 0", name="error_count"),
    Index("ix_sources_due", "next_check_at", postgresql_where=text("enabled")),
    schema="content",
)
