"""What follows from a verdict: authors are told."""

from typing import Literal
from uuid import UUID

from msgspec import Struct

from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.moderation.events import Decided


class Moderation(Struct, frozen=True):
    """What the house decided about one of the reader's things, or about the reader."""

    verdict: Literal["takedown", "restore", "suspend", "reinstate"]
    reason: str
    note: str
    item_id: UUID | None = None


async def tell(services: Services, _db: Db, event: Decided) -> None:
    """Tell the person's open screens what was decided, and why."""
    told = Moderation(event.verdict, event.reason, event.note, event.item_id)
    await services.publisher.broadcast(f"user:{event.user_id}", "moderation", told)


reactions = [
    Reaction("moderation.tell", Decided, tell),
]
