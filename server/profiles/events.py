"""What people ask of their own account."""

from typing import ClassVar
from uuid import UUID

from server.kernel.outbox import Event


class ExportAsked(Event, frozen=True):
    """A person wants a copy of their data."""

    topic: ClassVar[str] = "export.asked"

    export_id: UUID
