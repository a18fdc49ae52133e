"""The outbox as a stream: an order of its own, consumer groups and parked events."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

NOW = sa.text("now()")


def upgrade() -> None:
    # In the order of their ids, which is the order in which they were to be told.
    op.execute("alter table ops.outbox add column seq bigint")
    op.execute(
        """
        update ops.outbox set seq = placed.place
        from (select id, row_number() over (order by id) as place from ops.outbox) placed
        where placed.id = outbox.id
        """
    )
    op.execute("alter table ops.outbox alter column seq set not null")
    op.execute("alter table ops.outbox alter column seq add generated always as identity")
    op.execute(
        """
        select setval(pg_get_serial_sequence('ops.outbox', 'seq'),
          (select coalesce(max(seq), 0) + 1 from ops.outbox), false)
        """
    )
    op.add_column("outbox", sa.Column("relayed_at", sa.DateTime(timezone=True)), schema="ops")
    op.drop_index("ix_outbox_pending", table_name="outbox", schema="ops")
    op.drop_index("ix_outbox_key", table_name="outbox", schema="ops")
    for column in ("attempts", "next_attempt_at", "parked_at", "error"):
        op.drop_column("outbox", column, schema="ops")
    op.create_index("ix_outbox_key", "outbox", ["key", "seq"], unique=False, schema="ops")
    op.create_index(
        "ix_outbox_unrelayed",
        "outbox",
        ["seq"],
        unique=False,
        schema="ops",
        postgresql_where=sa.text("relayed_at is null"),
    )
    # Marks of single reactions say nothing of groups; what they did is harmless twice.
    op.drop_table("inbox", schema="ops")
    _inbox("event_id", "consumer")
    op.create_table(
        "setbacks",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("parked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("consumer", "event_id", name=op.f("pk_setbacks")),
        schema="ops",
    )
    op.create_index("ix_setbacks_key", "setbacks", ["consumer", "key"], unique=False, schema="ops")


def downgrade() -> None:
    op.drop_table("setbacks", schema="ops")
    op.drop_table("inbox", schema="ops")
    _inbox("consumer", "event_id")
    op.drop_index("ix_outbox_unrelayed", table_name="outbox", schema="ops")
    op.drop_index("ix_outbox_key", table_name="outbox", schema="ops")
    op.drop_column("outbox", "relayed_at", schema="ops")
    op.drop_column("outbox", "seq", schema="ops")
    for column in (
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "next_attempt_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False
        ),
        sa.Column("parked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
    ):
        op.add_column("outbox", column, schema="ops")
    op.create_index("ix_outbox_key", "outbox", ["key", "id"], unique=False, schema="ops")
    op.create_index(
        "ix_outbox_pending",
        "outbox",
        ["id"],
        unique=False,
        schema="ops",
        postgresql_where=sa.text("parked_at is null"),
    )


def _inbox(*key: str) -> None:
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_inbox")),
        schema="ops",
    )
