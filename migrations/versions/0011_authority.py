"""When people's authority changed, and when sign-ins were ended: what access tokens do not know."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "users",
        sa.Column("authority_changed_at", sa.DateTime(timezone=True), nullable=True),
        schema="content",
    )
    op.create_index(
        "ix_users_authority_changed",
        "users",
        ["authority_changed_at"],
        schema="content",
        postgresql_where=sa.text("authority_changed_at is not null"),
    )
    op.create_index(
        "ix_sign_ins_ended",
        "sign_ins",
        ["ended_at"],
        schema="ops",
        postgresql_where=sa.text("ended_at is not null"),
    )


def downgrade() -> None:
    op.drop_index("ix_sign_ins_ended", table_name="sign_ins", schema="ops")
    op.drop_index("ix_users_authority_changed", table_name="users", schema="content")
    op.drop_column("users", "authority_changed_at", schema="content")
