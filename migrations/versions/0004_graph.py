"""The graph: follows, blocks and mutes; and what people bring before their followers."""

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
    _make_appearances()
    op.create_table(
        "pulled_authors",
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("turn", sa.UUID(), nullable=False),
        sa.CheckConstraint("mode in ('pull', 'both')", name=op.f("ck_pulled_authors_mode")),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["content.users.id"],
            name=op.f("fk_pulled_authors_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_pulled_authors")),
        schema="content",
    )


def downgrade() -> None:
    for name in ("pulled_authors", "appearances", "mutes", "blocks", "follows"):
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


def _make_appearances() -> None:
    op.create_table(
        "appearances",
        sa.Column("item_id", sa.UUID(), nullable=False),
        sa.Column("actor_id", sa.UUID(), nullable=False),
        sa.Column("repost", sa.Boolean(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("author_id", sa.UUID(), nullable=True),
        sa.Column("posted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("item_id", "actor_id", "repost", name=op.f("pk_appearances")),
        schema="content",
    )
    op.create_index(
        "ix_appearances_actor",
        "appearances",
        ["actor_id", sa.literal_column('"at" desc'), sa.literal_column("item_id desc")],
        schema="content",
        postgresql_include=["repost"],
    )
    # What people wrote before this.
    op.execute(
        """
        insert into content.appearances (item_id, actor_id, repost, "at", author_id, posted_at)
        select id, author_id, false, (extract(epoch from sort_at) * 1000000)::bigint,
               author_id, (extract(epoch from sort_at) * 1000000)::bigint
        from content.items
        where author_id is not null and kind <> 'COMMENT' and state = 'live'
        """
    )
