"""What uploads tell."""

from typing import ClassVar, Literal
from uuid import UUID

from server.kernel.outbox import Event


class UploadArrived(Event, frozen=True):
    """The bytes of an upload are all there, and wait to be looked at."""

    topic: ClassVar[str] = "upload.arrived"
    id: UUID
    owner_id: UUID
    mime: str


class UploadChecked(Event, frozen=True):
    """An upload was looked at: it can be shown, or was refused."""

    topic: ClassVar[str] = "upload.checked"
    id: UUID
    owner_id: UUID
    key: str
    state: Literal["checked", "refused"]
    error: str | None = None
