"""The jobs that sources need."""

from uuid import UUID

from msgspec import Struct

from server.kernel.queue import Task


class RefreshSource(Struct, frozen=True):
    """Which source is asked."""

    source_id: UUID


class TakeIn(Struct, frozen=True):
    """Which source has a file that waits."""

    source_id: UUID


# No retries: a failed refresh is written down with the source and tried again when it is due.
REFRESH = Task("sources.refresh", "ingest", RefreshSource, timeout_seconds=90, retry_seconds=(5,))
TAKE_IN = Task("sources.take_in", "ingest", TakeIn, timeout_seconds=90, retry_seconds=(1, 5))


def refresh_id(source_id: UUID) -> str:
    """Name the job that refreshes a source: one at a time."""
    return f"refresh-{source_id}"


def take_in_id(source_id: UUID) -> str:
    """Name the job that takes a source's file in: one at a time."""
    return f"take-in-{source_id}"
