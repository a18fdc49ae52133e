"""The graph: follows, blocks and mutes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _make("follows", "follower_id", "followee_id")
    _make("blocks", "user_id", "target_id")
    _make("mutes", "user_id", "target_id")
    op.create_index(
        "ix_follows_followers",
        "follows",
        [
            "followee_id",
            sa.literal_column("created_at desc"),
            sa.literal_column("follower_id desc"),
        ],
        schema="content",
    )
    op.create_index("ix_blocks_target", "blocks", ["target_id", "user_id"], schema="content")
    op.create_index("ix_mutes_target", "mutes", ["target_id"], schema="content")


def downgrade() -> None:
    for name in ("mutes", "blocks", "follows"):
        op.drop_table(name, schema="content")
    # Nobody follows anybody any more.
    op.execute("update content.users set follower_count = 0, following_count = 0")


def _make(table: str, one: str, other: str) -> None:
    op.create_table(
        table,
        sa.Column(one, sa.UUID(), nullable=False),
        sa.Column(other, sa.UUID(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(f"{one} <> {other}", name=op.f(f"ck_{table}_no_self")),
        *(
            sa.ForeignKeyConstraint(
                [name], ["content.users.id"], name=op.f(f"fk_{table}_{name}"), ondelete="CASCADE"
            )
            for name in (one, other)
        ),
        sa.PrimaryKeyConstraint(one, other, name=op.f(f"pk_{table}")),
        schema="content",
    )
