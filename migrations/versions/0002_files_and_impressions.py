"""Feeds from files wait in the database; impressions are found by their age."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "source_files",
        sa.Column("source_id", sa.UUID(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "given_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["content.sources.id"],
            name=op.f("fk_source_files_source_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("source_id", name=op.f("pk_source_files")),
        schema="content",
    )
    op.drop_index("ix_impressions_user", table_name="impressions", schema="engage", if_exists=True)
    for whose, condition in (
        ("visitors", "user_id is null"),
        ("readers", "user_id is not null"),
    ):
        op.create_index(
            f"ix_impressions_{whose}",
            "impressions",
            ["seen_at"],
            unique=False,
            schema="engage",
            postgresql_where=sa.text(condition),
            if_not_exists=True,
        )


def downgrade() -> None:
    for whose in ("readers", "visitors"):
        op.drop_index(f"ix_impressions_{whose}", table_name="impressions", schema="engage")
    op.create_index(
        "ix_impressions_user",
        "impressions",
        ["user_id", sa.literal_column("seen_at desc")],
        unique=False,
        schema="engage",
        postgresql_where=sa.text("user_id is not null"),
    )
    op.drop_table("source_files", schema="content")
