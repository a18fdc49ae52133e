"""Notifications with seen and read marks, inboxes with an order of changes, push subscriptions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NOW = sa.text("now()")


def upgrade() -> None:
    for column in (
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seen_version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("pushed_version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("change", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("quiet", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("notifications", column, schema="engage")
    op.alter_column("notifications", "item_id", nullable=True, schema="engage")
    op.create_index(
        "ix_notifications_change", "notifications", ["user_id", "change"], schema="engage"
    )
    op.create_index(
        "ix_notifications_item",
        "notifications",
        ["item_id"],
        schema="engage",
        postgresql_where=sa.text("gone_at is null"),
    )
    op.create_index(
        "ix_notifications_target",
        "notifications",
        ["target_id"],
        schema="engage",
        postgresql_where=sa.text("gone_at is null"),
    )
    op.create_index(
        "ix_notifications_comment",
        "notifications",
        ["comment_id"],
        schema="engage",
        postgresql_where=sa.text("gone_at is null"),
    )
    for column in (
        sa.Column("place", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("withdrawn", sa.Boolean(), server_default="false", nullable=False),
    ):
        op.add_column("notification_actors", column, schema="engage")
    op.create_index(
        "ix_notification_actors_place",
        "notification_actors",
        ["notification_id", sa.literal_column("place desc")],
        schema="engage",
    )
    # What is there already counts as one news, which was seen if it was read.
    op.execute("update engage.notifications set version = actor_count")
    op.execute("update engage.notifications set seen_version = version where read_at is not null")
    op.create_table(
        "inboxes",
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("change", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("acked", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("choices", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("digest", sa.Text(), server_default="off", nullable=False),
        sa.Column("digested_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.CheckConstraint("digest in ('off', 'daily', 'weekly')", name="digest"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_inboxes")),
        schema="engage",
    )
    op.create_index(
        "ix_inboxes_digest",
        "inboxes",
        ["digested_at"],
        schema="engage",
        postgresql_where=sa.text("digest <> 'off'"),
    )
    op.create_table(
        "push_subscriptions",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("p256dh", sa.LargeBinary(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_subscriptions")),
        schema="engage",
    )
    op.create_index(
        "uq_push_subscriptions_endpoint",
        "push_subscriptions",
        ["endpoint"],
        unique=True,
        schema="engage",
    )
    op.create_index(
        "ix_push_subscriptions_user", "push_subscriptions", ["user_id"], schema="engage"
    )


def downgrade() -> None:
    op.drop_table("push_subscriptions", schema="engage")
    op.drop_table("inboxes", schema="engage")
    op.drop_index("ix_notification_actors_place", table_name="notification_actors", schema="engage")
    for name in ("withdrawn", "place"):
        op.drop_column("notification_actors", name, schema="engage")
    for name in ("comment", "target", "item", "change"):
        op.drop_index(f"ix_notifications_{name}", table_name="notifications", schema="engage")
    op.execute("delete from engage.notifications where item_id is null")
    op.alter_column("notifications", "item_id", nullable=False, schema="engage")
    for name in ("gone_at", "quiet", "change", "pushed_version", "seen_version", "version"):
        op.drop_column("notifications", name, schema="engage")
