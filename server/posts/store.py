"""The tables of posts beside their items, and their SQL."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.kernel.database import metadata

posts = Table(
    "posts",
    metadata,
    # The id of the item that holds author, text, tags and state.
    Column("id", PG_UUID, primary_key=True),
    Column("author_id", PG_UUID, nullable=False),
    Column("quote_of", PG_UUID),
    Column("mentions", ARRAY(PG_UUID), nullable=False, server_default="{}"),
    # The first link of the text, and what a job found there.
    Column("link_url", Text),
    Column("link", JSONB(none_as_null=True)),
    Column("media", JSONB, nullable=False, server_default="[]"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("edited_at", DateTime(timezone=True)),
    Index("ix_posts_quote", "quote_of", "id", postgresql_where=text("quote_of is not null")),
    # For the sweep: links that no job has looked at.
    Index(
        "ix_posts_uncarded",
        "id",
        postgresql_where=text("link_url is not null and link is null"),
    ),
    schema="content",
    postgresql_partition_by="RANGE (id)",
)

post_edits = Table(
    "post_edits",
    metadata,
    Column("post_id", PG_UUID, primary_key=True),
    # When these words gave way to others.
    Column("edited_at", DateTime(timezone=True), primary_key=True),
    Column("body_text", Text, nullable=False),
    schema="content",
)

polls = Table(
    "polls",
    metadata,
    # The id of the post that asks.
    Column("id", PG_UUID, primary_key=True),
    Column("options", ARRAY(Text), nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("cardinality(options) between 2 and 4", name="options"),
    schema="content",
)
