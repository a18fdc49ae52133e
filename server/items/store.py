"""The tables of items, of their identity and of their embeddings, and their SQL."""

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from server.kernel.database import metadata

DIMENSIONS = 384

items = Table(
    "items",
    metadata,
    # The id's time is when Lumen first saw the item; partitions are ranges of ids.
    Column("id", UUID, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="live"),
    Column("author_id", UUID, ForeignKey("content.users.id")),
    Column("author_name", Text),
    Column("source_id", UUID, ForeignKey("content.sources.id")),
    Column("category", Text),
    Column("language", Text),
    Column("title", Text),
    # Plain text for cards, search and embeddings; sanitised HTML for reading.
    Column("body_text", Text, nullable=False, server_default=""),
    Column("body_html", Text, nullable=False, server_default=""),
    Column("url", Text),
    Column("image_url", Text),
    Column("video_url", Text),
    Column("tags", ARRAY(Text), nullable=False, server_default="{}"),
    # The cluster of near-duplicates: an item's own id until a twin is found.
    Column("story_id", UUID, nullable=False),
    # A comment's target; what is said about it lives in comments.
    Column("target_id", UUID),
    Column("published_at", DateTime(timezone=True), nullable=False),
    Column("first_seen_at", DateTime(timezone=True), nullable=False),
    # A forged date in the future cannot lift an item over the others.
    Column(
        "sort_at",
        DateTime(timezone=True),
        Computed("least(published_at, first_seen_at)", persisted=True),
        nullable=False,
    ),
    Column("edited_at", DateTime(timezone=True)),
    CheckConstraint("kind in ('ARTICLE', 'TWEET', 'COMMENT', 'VIDEO')", name="kind"),
    CheckConstraint("state in ('live', 'retracted')", name="state"),
    Index(
        "ix_items_live_sort",
        text("sort_at desc"),
        text("id desc"),
        postgresql_where=text("state = 'live'"),
    ),
    Index("ix_items_source", "source_id", text("sort_at desc")),
    Index("ix_items_author", "author_id", text("sort_at desc"), text("id desc")),
    Index("ix_items_story", "story_id"),
    schema="content",
    postgresql_partition_by="RANGE (id)",
)

item_identity = Table(
    "item_identity",
    metadata,
    Column(
        "source_id", UUID, ForeignKey("content.sources.id", ondelete="CASCADE"), primary_key=True
    ),
    # SHA-256 of what makes an entry itself: its GUID, else its link, else its text.
    Column("digest", LargeBinary, primary_key=True),
    # Null is a tombstone: the entry was here, was removed, and shall not come back.
    Column("item_id", UUID),
    # The fingerprint of the entry's content, to see that it was edited.
    Column("content_digest", LargeBinary, nullable=False),
    # The normalised link, by which other sources' copies are recognised.
    Column("url_digest", LargeBinary),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Index(None, "url_digest"),
    Index(None, "item_id"),
    schema="content",
)

item_embeddings = Table(
    "item_embeddings",
    metadata,
    Column("item_id", UUID, primary_key=True),
    Column("model", Text, primary_key=True),
    # Copied in, so that a filtered nearest-neighbour scan needs no join.
    Column("kind", Text, nullable=False),
    Column("source_id", UUID),
    Column("sort_at", DateTime(timezone=True), nullable=False),
    Column("embedding", HALFVEC(DIMENSIONS), nullable=False),
    Index(
        "ix_item_embeddings_hnsw",
        "embedding",
        postgresql_using="hnsw",
        postgresql_with={"m": 16, "ef_construction": 64},
        postgresql_ops={"embedding": "halfvec_cosine_ops"},
    ),
    Index("ix_item_embeddings_sort", "kind", text("sort_at desc")),
    schema="content",
    postgresql_partition_by="RANGE (item_id)",
)
