"""Uploads, what was made of them, and the room they take."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _uploads()
    op.create_table(
        "renditions",
        sa.Column("digest", sa.LargeBinary(), primary_key=True),
        sa.Column("profile", sa.Text(), primary_key=True),
        sa.Column("result", postgresql.JSONB(), nullable=False),
        _moment("created_at", now=True),
        schema="content",
    )
    op.create_table(
        "upload_usage",
        sa.Column("owner_id", sa.UUID(), primary_key=True),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["content.users.id"], ondelete="CASCADE"),
        schema="content",
    )


def _uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.UUID(), primary_key=True),
        sa.Column("owner_id", sa.UUID(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, unique=True),
        sa.Column("mime", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary()),
        sa.Column("digest", sa.LargeBinary()),
        sa.Column("state", sa.Text(), server_default="signed", nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("attempt", sa.UUID()),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("kept", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("received", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("pieces", postgresql.JSONB()),
        _moment("created_at", now=True),
        _moment("changed_at", now=True),
        _moment("expires_at"),
        sa.Column("attached_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "state in ('signed', 'arrived', 'checked', 'refused', 'purged')", name="state"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["content.users.id"], ondelete="CASCADE"),
        schema="content",
    )
    for name, columns, where in (
        ("owner", ["owner_id", "id"], None),
        ("digest", ["digest"], "digest is not null"),
        ("open", ["changed_at"], "state in ('signed', 'arrived')"),
        ("ending", ["expires_at"], "attached_at is null and state <> 'purged'"),
        ("settled", ["id"], "kept and state in ('checked', 'refused')"),
    ):
        op.create_index(
            f"ix_uploads_{name}",
            "uploads",
            columns,
            schema="content",
            postgresql_where=sa.text(where) if where else None,
        )


def _moment(name: str, *, now: bool = False) -> sa.Column[object]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=False)


def downgrade() -> None:
    for table in ("upload_usage", "renditions", "uploads"):
        op.drop_table(table, schema="content")
