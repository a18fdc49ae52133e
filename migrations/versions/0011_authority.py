"""What access tokens do not know, letters that only tell, and the votes of one person."""

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
    # To take back the votes of who is erased.
    op.create_index("ix_poll_votes_user", "poll_votes", ["user_id"], schema="engage")
    _purposes("verify_email", "reset_password", "password_changed", "email_changed")


def downgrade() -> None:
    op.execute(
        "delete from ops.one_time_tokens where purpose in ('password_changed', 'email_changed')"
    )
    _purposes("verify_email", "reset_password")
    op.drop_index("ix_poll_votes_user", table_name="poll_votes", schema="engage")
    op.drop_index("ix_sign_ins_ended", table_name="sign_ins", schema="ops")
    op.drop_index("ix_users_authority_changed", table_name="users", schema="content")
    op.drop_column("users", "authority_changed_at", schema="content")


def _purposes(*names: str) -> None:
    name = op.f("ck_one_time_tokens_purpose")
    op.drop_constraint(name, "one_time_tokens", schema="ops")
    named = ", ".join(f"'{each}'" for each in names)
    op.create_check_constraint(name, "one_time_tokens", f"purpose in ({named})", schema="ops")
