"""The table of refresh tokens, by family, and its SQL."""

from sqlalchemy import Column, DateTime, ForeignKey, Index, LargeBinary, Table, func
from sqlalchemy.dialects.postgresql import UUID

from server.kernel.database import metadata

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("id", UUID, primary_key=True),
    # All tokens that came from one sign-in: the reuse of one ends them all.
    Column("family", UUID, nullable=False),
    Column("user_id", UUID, ForeignKey("content.users.id", ondelete="CASCADE"), nullable=False),
    # SHA-256 of the token: the table alone signs nobody in.
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Index(None, "family"),
    Index(None, "user_id"),
    schema="ops",
)
