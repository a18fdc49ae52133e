"""Accounts: confirmed addresses, one-time tokens, profiles and settings."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_LOOK = "replace(replace(translate(lower(username), 'i10', 'llo'), 'rn', 'm'), 'vv', 'w')"
_INDEXES = (
    ("ix_users_username_prefix", sa.text("lower(username) text_pattern_ops"), None),
    ("ix_users_display_name_prefix", sa.text("lower(display_name) text_pattern_ops"), None),
    ("ix_users_look", sa.text(_LOOK), None),
    ("ix_users_leaving", "deleted_at", sa.text("erased_at is null")),
)
_COLUMNS = (
    "email_verified_at",
    "bio",
    "links",
    "avatar_key",
    "settings",
    "follower_count",
    "following_count",
    "post_count",
    "deleted_at",
    "state_before",
    "erased_at",
)


def upgrade() -> None:
    _widen_users()
    _make_sign_ins()
    op.create_table(
        "one_time_tokens",
        sa.Column("id", sa.UUID(), nullable=False),
        _owner(),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        _moment("created_at", now=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        _moment("sent_at"),
        _moment("used_at"),
        sa.CheckConstraint(
            "purpose in ('verify_email', 'reset_password')",
            name=op.f("ck_one_time_tokens_purpose"),
        ),
        _owned("one_time_tokens"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_one_time_tokens_digest")),
        schema="ops",
    )
    op.create_index(
        op.f("ix_one_time_tokens_user_id"), "one_time_tokens", ["user_id"], schema="ops"
    )
    op.create_index(
        "ix_one_time_tokens_unsent",
        "one_time_tokens",
        ["created_at"],
        schema="ops",
        postgresql_where=sa.text("sent_at is null"),
    )
    op.create_table(
        "identities",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        _owner(),
        _moment("created_at", now=True),
        _owned("identities"),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_identities")),
        schema="ops",
    )
    op.create_index(op.f("ix_identities_user_id"), "identities", ["user_id"], schema="ops")
    op.create_table(
        "exports",
        sa.Column("id", sa.UUID(), nullable=False),
        _owner(),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        _moment("ready_at"),
        sa.Column("storage_key", sa.Text(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=True),
        _owned("exports"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
        schema="ops",
    )
    op.create_index(op.f("ix_exports_user_id"), "exports", ["user_id"], schema="ops")


def downgrade() -> None:
    for name in ("exports", "identities", "one_time_tokens", "sign_ins"):
        op.drop_table(name, schema="ops")
    op.drop_table("retired_usernames", schema="content")
    for name, _, _ in _INDEXES:
        op.drop_index(name, table_name="users", schema="content")
    for name in _COLUMNS:
        op.drop_column("users", name, schema="content")


def _widen_users() -> None:
    jsonb = postgresql.JSONB(astext_type=sa.Text())
    for column in (
        _moment("email_verified_at"),
        sa.Column("bio", sa.Text(), server_default="", nullable=False),
        sa.Column("links", jsonb, server_default="[]", nullable=False),
        sa.Column("avatar_key", sa.Text(), nullable=True),
        sa.Column("settings", jsonb, server_default="{}", nullable=False),
        sa.Column("follower_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("following_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("post_count", sa.Integer(), server_default="0", nullable=False),
        _moment("deleted_at"),
        sa.Column("state_before", sa.Text(), nullable=True),
        _moment("erased_at"),
    ):
        op.add_column("users", column, schema="content")
    for name, what, where in _INDEXES:
        op.create_index(name, "users", [what], schema="content", postgresql_where=where)
    op.create_table(
        "retired_usernames",
        sa.Column("username", sa.Text(), nullable=False),
        _moment("retired_at", now=True),
        sa.PrimaryKeyConstraint("username", name=op.f("pk_retired_usernames")),
        schema="content",
    )


def _make_sign_ins() -> None:
    op.create_table(
        "sign_ins",
        sa.Column("family", sa.UUID(), nullable=False),
        _owner(),
        sa.Column("user_agent", sa.Text(), server_default="", nullable=False),
        _moment("created_at", now=True),
        _moment("last_used_at", now=True),
        _moment("ended_at"),
        _owned("sign_ins"),
        sa.PrimaryKeyConstraint("family", name=op.f("pk_sign_ins")),
        schema="ops",
    )
    op.create_index(
        "ix_sign_ins_user",
        "sign_ins",
        ["user_id"],
        schema="ops",
        postgresql_where=sa.text("ended_at is null"),
    )
    # Whoever is signed in while this runs stays so, and finds the session in the list.
    op.execute(
        "insert into ops.sign_ins (family, user_id, created_at, last_used_at, ended_at) "
        "select family, user_id, min(created_at), max(created_at), "
        "case when bool_and(revoked_at is not null) then max(revoked_at) end "
        "from ops.refresh_tokens group by family, user_id"
    )


def _owner() -> sa.Column[object]:
    return sa.Column("user_id", sa.UUID(), nullable=False)


def _owned(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id"],
        ["content.users.id"],
        name=op.f(f"fk_{table}_user_id"),
        ondelete="CASCADE",
    )


def _moment(name: str, *, now: bool = False) -> sa.Column[object]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=not now)
