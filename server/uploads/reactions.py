"""What happens when an upload has arrived, and when it was looked at."""

from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.uploads.events import UploadArrived, UploadChecked
from server.uploads.model import MediaPush, kind_of
from server.uploads.tasks import PICTURE, CheckUpload, picture_id


async def look(services: Services, _db: Db, event: UploadArrived) -> None:
    """Have an upload looked at; should the queue be lost, a sweep finds that it was not."""
    if kind_of(event.mime) == "picture":
        job_id = picture_id(event.id)
        await services.queue.enqueue(PICTURE, CheckUpload(event.id), job_id=job_id)


async def tell_owner(services: Services, _db: Db, event: UploadChecked) -> None:
    """Tell the owner's open screens what came of an upload."""
    push = MediaPush(event.id, event.key, event.state, 1.0, event.error)
    await services.publisher.broadcast(f"user:{event.owner_id}", "media", push)


reactions = [
    Reaction("uploads.look", UploadArrived, look),
    Reaction("uploads.tell_owner", UploadChecked, tell_owner),
]
