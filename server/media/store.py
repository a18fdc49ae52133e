"""The table of media, and its SQL."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from server.kernel.database import metadata

media = Table(
    "media",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("owner_id", UUID),
    # The item that this is the card of; an upload has none until it is posted.
    Column("item_id", UUID),
    # What was made by which recipe from which input: the same work is never done twice.
    Column("profile", Text, nullable=False),
    Column("input_digest", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("progress", Float, nullable=False, server_default="0"),
    # The attempt that may write the result; an older worker's late answer is refused.
    Column("attempt", UUID),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("error", Text),
    # Names in the storage, not addresses: addresses are signed when they are read.
    Column("poster_key", Text),
    Column("video_key", Text),
    Column("mime", Text),
    Column("width", Integer),
    Column("height", Integer),
    Column("bytes", BigInteger),
    Column("duration_sec", Float),
    Column("details", JSONB, nullable=False, server_default="{}"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("state in ('waiting', 'poster', 'encoding', 'ready', 'failed')", name="state"),
    Index("uq_media_item_profile", "item_id", "profile", unique=True),
    Index("ix_media_state", "state", "updated_at"),
    schema="content",
)
