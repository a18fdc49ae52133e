"""What sources tell."""

from typing import ClassVar
from uuid import UUID

from server.kernel.outbox import Event


class FileGiven(Event, frozen=True):
    """A source came as a file, which waits to be taken in."""

    topic: ClassVar[str] = "source.file_given"
    id: UUID


class SourceDue(Event, frozen=True):
    """Somebody wants a source to be asked now: it was added, or is to be refreshed."""

    topic: ClassVar[str] = "source.due"
    id: UUID


class SourceRetired(Event, frozen=True):
    """A source is asked no more: its host says that it is gone, or it became another one."""

    topic: ClassVar[str] = "source.retired"
    id: UUID
    notice: str


class PreviewAsked(Event, frozen=True):
    """Somebody wants to see what an address would bring."""

    topic: ClassVar[str] = "source.preview_asked"
    id: UUID
