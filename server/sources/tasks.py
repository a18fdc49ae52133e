"""The jobs that sources need."""

from uuid import UUID

from msgspec import Struct

from server.kernel.queue import Task


class RefreshSource(Struct, frozen=True):
    """Which source is asked."""

    source_id: UUID


class TakeIn(Struct, frozen=True):
    """A feed that was read from a file, for the source that it became."""

    source_id: UUID
    content: bytes


# No retries: a failed refresh is written down with the source and tried again when it is due.
REFRESH = Task("sources.refresh", "ingest", RefreshSource, timeout_seconds=90, retry_seconds=(5,))
TAKE_IN = Task("sources.take_in", "ingest", TakeIn, timeout_seconds=90, retry_seconds=(1, 5))


def refresh_id(source_id: UUID) -> str:
    """Name the job that refreshes a source: one at a time."""
    return f"refresh-{source_id}"
