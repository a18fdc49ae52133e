"""Sources: what they are, how each fetch went, pushes, previews; stories, stages and pictures."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _sources()
    _fetches()
    _pushes()
    _items()
    _stages()


def _sources() -> None:
    for column in (
        sa.Column("host", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), server_default="auto", nullable=False),
        sa.Column("first_success_at", sa.DateTime(timezone=True)),
        sa.Column("moved_to", sa.Text()),
        sa.Column("moved_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True)),
        sa.Column("notice", sa.Text()),
        sa.Column("weekly", sa.Integer(), server_default="0", nullable=False),
    ):
        op.add_column("sources", column, schema="content")
    op.create_check_constraint(
        "kind", "sources", "kind in ('auto', 'feed', 'sitemap', 'page')", schema="content"
    )
    op.execute(
        """
        update content.sources
        set host = lower(coalesce(substring(url from '^https?://([^/?#]+)'), ''))
        """
    )
    op.create_index(
        "ix_sources_host",
        "sources",
        ["host", "next_check_at"],
        schema="content",
        postgresql_where=sa.text("enabled"),
    )


def _fetches() -> None:
    op.create_table(
        "source_fetches",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("source_id", sa.UUID(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("reason", sa.Text()),
        sa.Column("seconds", sa.REAL(), server_default="0", nullable=False),
        sa.Column("bytes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("new_items", sa.Integer(), server_default="0", nullable=False),
        sa.Column("edited_items", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "outcome in ('taken', 'unchanged', 'failed', 'pushed', 'retired')",
            name=op.f("ck_source_fetches_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["content.sources.id"],
            name=op.f("fk_source_fetches_source_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_fetches")),
        schema="content",
    )
    op.create_index(
        "ix_source_fetches_source",
        "source_fetches",
        ["source_id", sa.literal_column("id desc")],
        schema="content",
    )
    op.create_table(
        "source_previews",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column(
            "asked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("result", postgresql.JSONB()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_previews")),
        schema="content",
    )


def _pushes() -> None:
    op.create_table(
        "source_subscriptions",
        sa.Column("source_id", sa.UUID(), nullable=False),
        sa.Column("hub", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="wanted", nullable=False),
        sa.Column("ask_at", sa.DateTime(timezone=True), server_default=sa.text("now()")),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("pushed_at", sa.DateTime(timezone=True)),
        sa.Column("error", sa.Text()),
        sa.CheckConstraint(
            "state in ('wanted', 'active', 'denied')", name=op.f("ck_source_subscriptions_state")
        ),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["content.sources.id"],
            name=op.f("fk_source_subscriptions_source_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("source_id", name=op.f("pk_source_subscriptions")),
        schema="content",
    )
    op.create_index(
        "ix_source_subscriptions_ask", "source_subscriptions", ["ask_at"], schema="content"
    )


def _items() -> None:
    op.add_column("items", sa.Column("audio_url", sa.Text()), schema="content")
    op.add_column("items", sa.Column("duration_sec", sa.REAL()), schema="content")
    op.add_column("items", sa.Column("chapters", postgresql.JSONB()), schema="content")
    op.add_column("items", sa.Column("image_key", sa.Text()), schema="content")
    op.create_table(
        "stories",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("title", sa.Text()),
        sa.Column("item_count", sa.Integer(), nullable=False),
        sa.Column("source_count", sa.Integer(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stories")),
        schema="content",
    )
    op.create_table(
        "pictures",
        sa.Column("item_id", sa.UUID(), nullable=False),
        sa.Column("source_id", sa.UUID()),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("licence", sa.Text()),
        sa.Column("state", sa.Text(), server_default="wanted", nullable=False),
        sa.Column("key", sa.Text()),
        sa.Column("width", sa.Integer()),
        sa.Column("height", sa.Integer()),
        sa.Column("bytes", sa.Integer()),
        sa.Column("error", sa.Text()),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "try_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.CheckConstraint("state in ('wanted', 'kept', 'failed')", name=op.f("ck_pictures_state")),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["content.sources.id"],
            name=op.f("fk_pictures_source_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_pictures")),
        schema="content",
    )
    op.create_index(
        "ix_pictures_wanted",
        "pictures",
        ["try_at"],
        schema="content",
        postgresql_where=sa.text("state = 'wanted'"),
    )
    op.create_index(
        "ix_pictures_kept",
        "pictures",
        ["digest"],
        schema="content",
        postgresql_where=sa.text("state = 'kept'"),
    )


def _stages() -> None:
    op.create_table(
        "item_stages",
        sa.Column("item_id", sa.UUID(), nullable=False),
        sa.Column("source_id", sa.UUID(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("embedded_at", sa.DateTime(timezone=True)),
        sa.Column("told_at", sa.DateTime(timezone=True)),
        sa.Column("shown_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_item_stages")),
        schema="content",
    )
    op.create_index(
        "ix_item_stages_source", "item_stages", ["source_id", "stored_at"], schema="content"
    )


def downgrade() -> None:
    op.drop_table("item_stages", schema="content")
    op.drop_table("pictures", schema="content")
    op.drop_table("stories", schema="content")
    for name in ("image_key", "chapters", "duration_sec", "audio_url"):
        op.drop_column("items", name, schema="content")
    op.drop_table("source_subscriptions", schema="content")
    op.drop_table("source_previews", schema="content")
    op.drop_table("source_fetches", schema="content")
    op.drop_index("ix_sources_host", table_name="sources", schema="content")
    op.execute("alter table content.sources drop constraint ck_sources_kind")
    for name in (
        "weekly",
        "notice",
        "retired_at",
        "moved_count",
        "moved_to",
        "first_success_at",
        "kind",
        "host",
    ):
        op.drop_column("sources", name, schema="content")
