"""Encodings: what is made of the films and sounds that people bring."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "encodings",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("owner_id", sa.UUID(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary()),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("cost_sec", sa.Float(), nullable=False),
        sa.Column("progress", sa.Float(), server_default="0", nullable=False),
        sa.Column("eta_seconds", sa.Float()),
        sa.Column("attempt", sa.UUID()),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("result", postgresql.JSONB()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state in ('waiting', 'encoding', 'ready', 'failed', 'refused', 'cancelled')",
            name=op.f("ck_encodings_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_encodings")),
        schema="content",
    )
    op.create_index(
        "ix_encodings_open",
        "encodings",
        ["state", "changed_at"],
        schema="content",
        postgresql_where=sa.text("state in ('waiting', 'encoding')"),
    )
    op.create_index(
        "ix_encodings_digest",
        "encodings",
        ["digest", "profile"],
        schema="content",
        postgresql_where=sa.text("state = 'ready'"),
    )


def downgrade() -> None:
    op.drop_table("encodings", schema="content")
