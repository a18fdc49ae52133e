"""The table of people, and its SQL."""

from sqlalchemy import CheckConstraint, Column, DateTime, Index, Table, Text, func, text
from sqlalchemy.dialects.postgresql import UUID

from server.kernel.database import metadata

users = Table(
    "users",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("username", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("role", Text, nullable=False, server_default="user"),
    Column("state", Text, nullable=False, server_default="active"),
    Column("password_hash", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("role in ('user', 'creator', 'admin')", name="role"),
    CheckConstraint("state in ('active', 'shadowbanned', 'suspended', 'deleted')", name="state"),
    Index("uq_users_username", text("lower(username)"), unique=True),
    Index("uq_users_email", text("lower(email)"), unique=True),
    schema="content",
)
