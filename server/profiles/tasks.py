"""The job that makes what people take with them."""

from uuid import UUID

from msgspec import Struct

from server.kernel.queue import Task


class MakeExport(Struct, frozen=True):
    """Which export is made."""

    export_id: UUID


EXPORT = Task("accounts.export", "mail", MakeExport, timeout_seconds=300, retry_seconds=(10, 60))


def export_id(export: UUID) -> str:
    """Name the job that makes an export: one at a time."""
    return f"export-{export}"
