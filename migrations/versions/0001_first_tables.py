"""First tables: people, sources, items, engagement, notifications, and the outbox."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy.dialects import postgresql

from server.kernel import partitions

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMAS = ("content", "engage", "ops")
PARTITIONED = (
    ("content", "items"),
    ("content", "item_embeddings"),
    ("content", "comments"),
    ("engage", "likes"),
    ("engage", "bookmarks"),
)


def upgrade() -> None:
    # Tables of a later release are partitioned by its own migration.
    op.execute("create extension if not exists vector")
    for schema in SCHEMAS:
        op.execute(f"create schema if not exists {schema}")
    op.create_table(
        "comments",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("target_id", sa.UUID(), nullable=False),
        sa.Column("parent_id", sa.UUID(), nullable=True),
        sa.Column("root_id", sa.UUID(), nullable=False),
        sa.Column("depth", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("depth between 0 and 8", name=op.f("ck_comments_depth")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comments")),
        schema="content",
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index(
        "ix_comments_parent",
        "comments",
        ["parent_id", "id"],
        unique=False,
        schema="content",
        postgresql_where=sa.text("parent_id is not null"),
    )
    op.create_index(
        "ix_comments_target", "comments", ["target_id", "id"], unique=False, schema="content"
    )
    op.create_table(
        "item_embeddings",
        sa.Column("item_id", sa.UUID(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source_id", sa.UUID(), nullable=True),
        sa.Column("sort_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("embedding", HALFVEC(dim=384), nullable=False),
        sa.PrimaryKeyConstraint("item_id", "model", name=op.f("pk_item_embeddings")),
        schema="content",
        postgresql_partition_by="RANGE (item_id)",
    )
    op.create_index(
        "ix_item_embeddings_hnsw",
        "item_embeddings",
        ["embedding"],
        unique=False,
        schema="content",
        postgresql_using="hnsw",
        postgresql_with={"m": 16, "ef_construction": 64},
        postgresql_ops={"embedding": "halfvec_cosine_ops"},
    )
    op.create_index(
        "ix_item_embeddings_sort",
        "item_embeddings",
        ["kind", sa.literal_column("sort_at desc")],
        unique=False,
        schema="content",
    )
    op.create_table(
        "media",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("owner_id", sa.UUID(), nullable=True),
        sa.Column("item_id", sa.UUID(), nullable=True),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("input_digest", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("progress", sa.Float(), server_default="0", nullable=False),
        sa.Column("attempt", sa.UUID(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("poster_key", sa.Text(), nullable=True),
        sa.Column("video_key", sa.Text(), nullable=True),
        sa.Column("mime", sa.Text(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("duration_sec", sa.Float(), nullable=True),
        sa.Column(
            "details", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "state in ('waiting', 'poster', 'encoding', 'ready', 'failed')",
            name=op.f("ck_media_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media")),
        schema="content",
    )
    op.create_index(
        "ix_media_state", "media", ["state", "updated_at"], unique=False, schema="content"
    )
    op.create_index(
        "uq_media_item_profile", "media", ["item_id", "profile"], unique=True, schema="content"
    )
    op.create_table(
        "sources",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("site_url", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("licence", sa.Text(), nullable=True),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("demo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column(
            "next_check_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("last_fetch_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_success_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("error_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("item_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("error_count >= 0", name=op.f("ck_sources_error_count")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sources")),
        sa.UniqueConstraint("url", name=op.f("uq_sources_url")),
        schema="content",
    )
    op.create_index(
        "ix_sources_due",
        "sources",
        ["next_check_at"],
        unique=False,
        schema="content",
        postgresql_where=sa.text("enabled"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), server_default="user", nullable=False),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("role in ('user', 'creator', 'admin')", name=op.f("ck_users_role")),
        sa.CheckConstraint(
            "state in ('active', 'shadowbanned', 'suspended', 'deleted')",
            name=op.f("ck_users_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        schema="content",
    )
    op.create_index(
        "uq_users_email",
        "users",
        [sa.literal_column("lower(email)")],
        unique=True,
        schema="content",
    )
    op.create_index(
        "uq_users_username",
        "users",
        [sa.literal_column("lower(username)")],
        unique=True,
        schema="content",
    )
    op.create_table(
        "bookmarks",
        sa.Column("item_id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("item_id", "user_id", name=op.f("pk_bookmarks")),
        schema="engage",
        postgresql_partition_by="RANGE (item_id)",
    )
    op.create_index(
        "ix_bookmarks_user",
        "bookmarks",
        ["user_id", sa.literal_column("created_at desc"), "item_id"],
        unique=False,
        schema="engage",
    )
    op.create_table(
        "counter_delta",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("item_id", sa.UUID(), nullable=False),
        sa.Column("field", sa.SmallInteger(), nullable=False),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.CheckConstraint("field between 0 and 4", name=op.f("ck_counter_delta_field")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_counter_delta")),
        schema="engage",
    )
    op.create_index(
        op.f("ix_counter_delta_item_id"),
        "counter_delta",
        ["item_id"],
        unique=False,
        schema="engage",
    )
    op.create_table(
        "impressions",
        sa.Column("session_id", sa.UUID(), nullable=False),
        sa.Column("item_id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=True),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("session_id", "item_id", name=op.f("pk_impressions")),
        schema="engage",
    )
    op.create_index(
        "ix_impressions_user",
        "impressions",
        ["user_id", sa.literal_column("seen_at desc")],
        unique=False,
        schema="engage",
        postgresql_where=sa.text("user_id is not null"),
    )
    op.create_table(
        "item_counters",
        sa.Column("item_id", sa.UUID(), nullable=False),
        sa.Column("likes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("comments", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reposts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("quotes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bookmarks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_item_counters")),
        schema="engage",
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "likes",
        sa.Column("item_id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("item_id", "user_id", name=op.f("pk_likes")),
        schema="engage",
        postgresql_partition_by="RANGE (item_id)",
    )
    op.create_index(
        "ix_likes_user",
        "likes",
        ["user_id", sa.literal_column("created_at desc"), "item_id"],
        unique=False,
        schema="engage",
    )
    op.create_table(
        "notifications",
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target_id", sa.UUID(), nullable=False),
        sa.Column("item_id", sa.UUID(), nullable=False),
        sa.Column("comment_id", sa.UUID(), nullable=True),
        sa.Column("actor_ids", postgresql.ARRAY(sa.UUID()), nullable=False),
        sa.Column("actor_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("excerpt", sa.Text(), server_default="", nullable=False),
        sa.Column("group_key", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_notifications")),
        schema="engage",
    )
    op.create_index(
        "ix_notifications_newest",
        "notifications",
        ["user_id", sa.literal_column("updated_at desc"), sa.literal_column("id desc")],
        unique=False,
        schema="engage",
    )
    op.create_index(
        "uq_notifications_unread_group",
        "notifications",
        ["user_id", "group_key"],
        unique=True,
        schema="engage",
        postgresql_where=sa.text("read_at is null"),
    )
    op.create_table(
        "notification_actors",
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("group_key", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.UUID(), nullable=False),
        sa.Column("notification_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint(
            "user_id",
            "group_key",
            "actor_id",
            "notification_id",
            name=op.f("pk_notification_actors"),
        ),
        schema="engage",
    )
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column(
            "taken_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("consumer", "event_id", name=op.f("pk_inbox")),
        schema="ops",
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.UUID(), nullable=False),
        sa.Column(
            "expires_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
        schema="ops",
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "next_attempt_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("parked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        schema="ops",
    )
    op.create_index("ix_outbox_key", "outbox", ["key", "id"], unique=False, schema="ops")
    op.create_index(
        "ix_outbox_pending",
        "outbox",
        ["id"],
        unique=False,
        schema="ops",
        postgresql_where=sa.text("parked_at is null"),
    )
    op.create_table(
        "item_identity",
        sa.Column("source_id", sa.UUID(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("item_id", sa.UUID(), nullable=True),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("url_digest", sa.LargeBinary(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["content.sources.id"],
            name=op.f("fk_item_identity_source_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("source_id", "digest", name=op.f("pk_item_identity")),
        schema="content",
    )
    op.create_index(
        op.f("ix_item_identity_digest"),
        "item_identity",
        ["digest"],
        unique=False,
        schema="content",
    )
    op.create_index(
        op.f("ix_item_identity_item_id"),
        "item_identity",
        ["item_id"],
        unique=False,
        schema="content",
    )
    op.create_index(
        op.f("ix_item_identity_url_digest"),
        "item_identity",
        ["url_digest"],
        unique=False,
        schema="content",
    )
    op.create_table(
        "items",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="live", nullable=False),
        sa.Column("author_id", sa.UUID(), nullable=True),
        sa.Column("author_name", sa.Text(), nullable=True),
        sa.Column("source_id", sa.UUID(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("body_text", sa.Text(), server_default="", nullable=False),
        sa.Column("body_html", sa.Text(), server_default="", nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("image_url", sa.Text(), nullable=True),
        sa.Column("video_url", sa.Text(), nullable=True),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("story_id", sa.UUID(), nullable=False),
        sa.Column("target_id", sa.UUID(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "sort_at",
            sa.DateTime(timezone=True),
            sa.Computed("least(published_at, first_seen_at)", persisted=True),
            nullable=False,
        ),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind in ('ARTICLE', 'TWEET', 'COMMENT', 'VIDEO')", name=op.f("ck_items_kind")
        ),
        sa.CheckConstraint("state in ('live', 'retracted')", name=op.f("ck_items_state")),
        sa.ForeignKeyConstraint(
            ["author_id"], ["content.users.id"], name=op.f("fk_items_author_id")
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["content.sources.id"], name=op.f("fk_items_source_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
        schema="content",
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index(
        "ix_items_author",
        "items",
        ["author_id", sa.literal_column("sort_at desc"), sa.literal_column("id desc")],
        unique=False,
        schema="content",
    )
    op.create_index(
        "ix_items_live_sort",
        "items",
        [sa.literal_column("sort_at desc"), sa.literal_column("id desc")],
        unique=False,
        schema="content",
        postgresql_where=sa.text("state = 'live'"),
    )
    op.create_index(
        "ix_items_source",
        "items",
        ["source_id", sa.literal_column("sort_at desc")],
        unique=False,
        schema="content",
    )
    op.create_index("ix_items_story", "items", ["story_id"], unique=False, schema="content")
    op.create_table(
        "refresh_tokens",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("family", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["content.users.id"],
            name=op.f("fk_refresh_tokens_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refresh_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_refresh_tokens_digest")),
        schema="ops",
    )
    op.create_index(
        op.f("ix_refresh_tokens_family"), "refresh_tokens", ["family"], unique=False, schema="ops"
    )
    op.create_index(
        op.f("ix_refresh_tokens_user_id"), "refresh_tokens", ["user_id"], unique=False, schema="ops"
    )

    this_month = partitions.month_of(datetime.now(UTC))
    for schema, table in PARTITIONED:
        for ahead in range(partitions.AHEAD + 1):
            month = partitions.after(this_month, ahead)
            for statement in partitions.statements(schema, table, month):
                op.execute(statement)


def downgrade() -> None:
    op.drop_table("refresh_tokens", schema="ops")
    op.drop_table("items", schema="content")
    op.drop_table("item_identity", schema="content")
    op.drop_table("outbox", schema="ops")
    op.drop_table("leases", schema="ops")
    op.drop_table("inbox", schema="ops")
    op.drop_table("notification_actors", schema="engage")
    op.drop_table("notifications", schema="engage")
    op.drop_table("likes", schema="engage")
    op.drop_table("item_counters", schema="engage")
    op.drop_table("impressions", schema="engage")
    op.drop_table("counter_delta", schema="engage")
    op.drop_table("bookmarks", schema="engage")
    op.drop_table("users", schema="content")
    op.drop_table("sources", schema="content")
    op.drop_table("media", schema="content")
    op.drop_table("item_embeddings", schema="content")
    op.drop_table("comments", schema="content")
    for schema in reversed(SCHEMAS):
        op.execute(f"drop schema {schema}")
