"""What workers do with uploads."""

from uuid import UUID

from msgspec import Struct

from server.kernel.queue import Task


class CheckUpload(Struct, frozen=True):
    """The upload that is to be looked at."""

    id: UUID


# Its owner waits, with the post half written.
PICTURE = Task(
    "uploads.picture", "media", CheckUpload, timeout_seconds=150, retry_seconds=(2, 20, 60)
)


def picture_id(upload_id: UUID) -> str:
    """Name the job that looks at a picture: one at a time."""
    return f"picture-{upload_id}"
