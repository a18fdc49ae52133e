"""When polls were found to have ended, and finding notifications that are too old to be kept."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("polls", sa.Column("closed_at", sa.DateTime(timezone=True)), schema="content")
    op.create_index(
        "ix_polls_open",
        "polls",
        ["ends_at"],
        schema="content",
        postgresql_where=sa.text("closed_at is null"),
    )
    op.create_index("ix_notifications_updated", "notifications", ["updated_at"], schema="engage")
    op.create_index(
        "ix_notifications_gone",
        "notifications",
        ["gone_at"],
        schema="engage",
        postgresql_where=sa.text("gone_at is not null"),
    )


def downgrade() -> None:
    op.drop_index("ix_notifications_gone", table_name="notifications", schema="engage")
    op.drop_index("ix_notifications_updated", table_name="notifications", schema="engage")
    op.drop_index("ix_polls_open", table_name="polls", schema="content")
    op.drop_column("polls", "closed_at", schema="content")
