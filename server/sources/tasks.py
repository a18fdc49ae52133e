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


class PreviewSource(Struct, frozen=True):
    """Which preview is to be made."""

    preview_id: UUID


class Subscribe(Struct, frozen=True):
    """Of which source the hub is asked."""

    source_id: UUID


# No retries: a failed refresh is written down with the source and tried again when it is due.
REFRESH = Task(
    "sources.refresh",
    "ingest",
    RefreshSource,
    timeout_seconds=150,
    retry_seconds=(5,),
    # Before the pictures of what came earlier.
    at_front=True,
)
TAKE_IN = Task("sources.take_in", "ingest", TakeIn, timeout_seconds=90, retry_seconds=(1, 5))

PREVIEW = Task(
    "sources.preview",
    "ingest",
    PreviewSource,
    timeout_seconds=60,
    retry_seconds=(1,),
    at_front=True,
)
SUBSCRIBE = Task("sources.subscribe", "ingest", Subscribe, timeout_seconds=90, retry_seconds=())


def refresh_id(source_id: UUID) -> str:
    """Name the job that refreshes a source: one at a time."""
    return f"refresh-{source_id}"


def take_in_id(source_id: UUID) -> str:
    """Name the job that takes a source's file in: one at a time."""
    return f"take-in-{source_id}"


def preview_id(preview: UUID) -> str:
    """Name the job that looks at an address."""
    return f"preview-{preview}"


def subscribe_id(source_id: UUID) -> str:
    """Name the job that asks a source's hub: one at a time."""
    return f"subscribe-{source_id}"
