"""The thread columns of comments; their text is an item like any other."""

from sqlalchemy import CheckConstraint, Column, DateTime, Index, SmallInteger, Table, func, text
from sqlalchemy.dialects.postgresql import UUID

from server.kernel.database import metadata

comments = Table(
    "comments",
    metadata,
    # The id of the item of kind COMMENT that holds author, text and state.
    Column("id", UUID, primary_key=True),
    Column("target_id", UUID, nullable=False),
    Column("parent_id", UUID),
    # The first comment of the thread: a page of threads is one range scan.
    Column("root_id", UUID, nullable=False),
    Column("depth", SmallInteger, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("depth between 0 and 8", name="depth"),
    Index("ix_comments_target", "target_id", "id"),
    Index("ix_comments_parent", "parent_id", "id", postgresql_where=text("parent_id is not null")),
    schema="content",
    postgresql_partition_by="RANGE (id)",
)
