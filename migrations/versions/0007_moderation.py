"""Reports, verdicts, the state of people and the audit log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

REFUSE = """
create function ops.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'The audit log is only added to: % is refused.', tg_op
    using errcode = 'insufficient_privilege';
end $$
"""


def upgrade() -> None:
    audit()
    moderation()


def audit() -> None:
    op.create_table(
        "audit_log",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.UUID(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target_kind", sa.Text(), nullable=False),
        sa.Column("target_id", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("before", JSONB(), nullable=False),
        sa.Column("after", JSONB(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_log")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_log_id")),
        schema="ops",
    )
    op.create_index("ix_audit_log_target", "audit_log", ["target_id", "seq"], schema="ops")
    op.create_index("ix_audit_log_actor", "audit_log", ["actor_id", "seq"], schema="ops")
    op.create_table(
        "audit_head",
        sa.Column("one", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("one = 1", name=op.f("ck_audit_head_one")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_audit_head")),
        schema="ops",
    )
    op.execute(REFUSE)
    op.execute(
        "create trigger only_added_to before update or delete on ops.audit_log"
        " for each row execute function ops.refuse_change()"
    )
    op.execute(
        "create trigger never_emptied before truncate on ops.audit_log"
        " for each statement execute function ops.refuse_change()"
    )
    op.execute(
        "create trigger never_removed before delete on ops.audit_head"
        " for each row execute function ops.refuse_change()"
    )
    op.execute(
        "create trigger never_emptied before truncate on ops.audit_head"
        " for each statement execute function ops.refuse_change()"
    )


def moderation() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("target_kind", sa.Text(), nullable=False),
        sa.Column("target_id", sa.UUID(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("report_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_by", sa.UUID(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.UUID(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("target_kind in ('item', 'user')", name=op.f("ck_cases_target_kind")),
        sa.CheckConstraint("state in ('open', 'closed')", name=op.f("ck_cases_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
        schema="ops",
    )
    is_open, is_closed = sa.text("state = 'open'"), sa.text("state = 'closed'")
    op.create_index(
        "uq_cases_open",
        "cases",
        ["target_kind", "target_id"],
        unique=True,
        schema="ops",
        postgresql_where=is_open,
    )
    op.create_index(
        "ix_cases_queue", "cases", ["created_at", "id"], schema="ops", postgresql_where=is_open
    )
    op.create_index(
        "ix_cases_decided",
        "cases",
        [sa.literal_column("decided_at desc"), sa.literal_column("id desc")],
        schema="ops",
        postgresql_where=is_closed,
    )
    op.create_table(
        "reports",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("reporter_id", sa.UUID(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["ops.cases.id"], name=op.f("fk_reports_case_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        schema="ops",
    )
    op.create_index(
        "uq_reports_reporter", "reports", ["case_id", "reporter_id"], unique=True, schema="ops"
    )
    op.create_table(
        "takedowns",
        sa.Column("item_id", sa.UUID(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("taken_by", sa.UUID(), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_takedowns")),
        schema="ops",
    )
    op.create_table(
        "sanctions",
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("given_by", sa.UUID(), nullable=True),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state in ('shadowbanned', 'suspended')", name=op.f("ck_sanctions_state")
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_sanctions")),
        schema="ops",
    )
    op.create_index(
        "ix_sanctions_until",
        "sanctions",
        ["until"],
        schema="ops",
        postgresql_where=sa.text("until is not null"),
    )
    op.create_index("ix_sanctions_given", "sanctions", ["given_at"], schema="ops")


def downgrade() -> None:
    for table in ("sanctions", "takedowns", "reports", "cases", "audit_head", "audit_log"):
        op.drop_table(table, schema="ops")
    op.execute("drop function ops.refuse_change()")
