"""Posts: what people write here, quotes, polls and reposts, and requests that are sent again."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.kernel import partitions

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KINDS = ("ARTICLE", "TWEET", "COMMENT", "VIDEO", "AUDIO", "PHOTO", "PROJECT", "BLOG")
FIRST_KINDS = KINDS[:4]


def upgrade() -> None:
    _constrain("content", "items", "kind", _one_of(KINDS))
    _constrain("engage", "counter_delta", "field", "field between 0 and 8")
    op.add_column(
        "comments",
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        schema="content",
    )
    op.create_index(
        "ix_comments_threads",
        "comments",
        ["target_id", "id"],
        unique=False,
        schema="content",
        postgresql_where=sa.text("depth = 0"),
    )
    op.create_table(
        "posts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("author_id", sa.UUID(), nullable=False),
        sa.Column("quote_of", sa.UUID(), nullable=True),
        sa.Column("mentions", postgresql.ARRAY(sa.UUID()), server_default="{}", nullable=False),
        sa.Column("link_url", sa.Text(), nullable=True),
        sa.Column("link", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "media", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False
        ),
        _moment("created_at"),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counted", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
        schema="content",
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index(
        "ix_posts_quote",
        "posts",
        ["quote_of", "id"],
        unique=False,
        schema="content",
        postgresql_where=sa.text("quote_of is not null"),
    )
    op.create_index(
        "ix_posts_uncarded",
        "posts",
        ["id"],
        unique=False,
        schema="content",
        postgresql_where=sa.text("link_url is not null and link is null"),
    )
    op.create_table(
        "post_edits",
        sa.Column("post_id", sa.UUID(), nullable=False),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body_text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("post_id", "edited_at", name=op.f("pk_post_edits")),
        schema="content",
    )
    op.create_table(
        "polls",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("options", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("cardinality(options) between 2 and 4", name=op.f("ck_polls_options")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_polls")),
        schema="content",
    )
    op.create_table(
        "reposts",
        sa.Column("item_id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("item_id", "user_id", name=op.f("pk_reposts")),
        schema="engage",
        postgresql_partition_by="RANGE (item_id)",
    )
    op.create_index(
        "ix_reposts_user",
        "reposts",
        ["user_id", sa.literal_column("created_at desc"), "item_id"],
        unique=False,
        schema="engage",
    )
    op.create_table(
        "poll_votes",
        sa.Column("poll_id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("option", sa.SmallInteger(), nullable=False),
        _moment("created_at"),
        sa.CheckConstraint("option between 0 and 3", name=op.f("ck_poll_votes_option")),
        sa.PrimaryKeyConstraint("poll_id", "user_id", name=op.f("pk_poll_votes")),
        schema="engage",
        postgresql_partition_by="RANGE (poll_id)",
    )
    op.create_table(
        "poll_counters",
        sa.Column("poll_id", sa.UUID(), nullable=False),
        *(
            sa.Column(f"votes_{option}", sa.BigInteger(), server_default="0", nullable=False)
            for option in range(4)
        ),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("poll_id", name=op.f("pk_poll_counters")),
        schema="engage",
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("viewer_id", sa.UUID(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("viewer_id", "route", "key", name=op.f("pk_idempotency_keys")),
        schema="ops",
    )
    op.create_index(
        op.f("ix_idempotency_keys_created_at"),
        "idempotency_keys",
        ["created_at"],
        unique=False,
        schema="ops",
    )
    _partition()


def downgrade() -> None:
    op.drop_table("idempotency_keys", schema="ops")
    op.drop_table("poll_counters", schema="engage")
    op.drop_table("poll_votes", schema="engage")
    op.drop_table("reposts", schema="engage")
    op.drop_table("polls", schema="content")
    op.drop_table("post_edits", schema="content")
    op.drop_table("posts", schema="content")
    op.drop_index("ix_comments_threads", table_name="comments", schema="content")
    op.drop_column("comments", "deleted_at", schema="content")
    # What the older code knows nothing of cannot stay.
    op.execute("delete from engage.counter_delta where field > 4")
    op.execute(f"delete from content.items where not ({_one_of(FIRST_KINDS)})")  # noqa: S608
    _constrain("engage", "counter_delta", "field", "field between 0 and 4")
    _constrain("content", "items", "kind", _one_of(FIRST_KINDS))


def _one_of(kinds: tuple[str, ...]) -> str:
    return f"kind in ({', '.join(repr(each) for each in kinds)})"


def _constrain(schema: str, table: str, name: str, condition: str) -> None:
    constraint = f"ck_{table}_{name}"
    op.execute(f"alter table {schema}.{table} drop constraint {constraint}")
    op.execute(f"alter table {schema}.{table} add constraint {constraint} check ({condition})")


def _moment(name: str) -> sa.Column:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def _partition() -> None:
    now = datetime.now(UTC)
    for schema, table in (("content", "posts"), ("engage", "poll_votes")):
        for statement in partitions.first_statements(schema, table, now):
            op.execute(statement)
    # What is there already can be reposted too, however old it is.
    likes = op.get_bind().execute(
        sa.text(
            "select child.relname from pg_inherits join pg_class child on child.oid = inhrelid"
            " where inhparent = cast('engage.likes' as regclass)"
        )
    )
    months = {
        datetime.strptime(name, "likes_%Y_%m").replace(tzinfo=UTC).date()
        for name in likes.scalars()
    }
    this_month = partitions.month_of(now)
    months |= {partitions.after(this_month, ahead) for ahead in range(partitions.AHEAD + 1)}
    for month in sorted(months):
        for statement in partitions.statements("engage", "reposts", month):
            op.execute(statement)
