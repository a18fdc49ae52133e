"""What follows from a verdict: nodes refuse who is suspended, authors are told."""

from typing import Literal
from uuid import UUID

from msgspec import Struct

from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.moderation.bar import BARRED, LET_IN, TOPIC, Named
from server.moderation.events import Decided, PersonHidden, PersonShownAgain


class Moderation(Struct, frozen=True):
    """What the house decided about one of the reader's things, or about the reader."""

    verdict: Literal["takedown", "restore", "suspend", "reinstate"]
    reason: str
    note: str
    item_id: UUID | None = None


async def bar(services: Services, _db: Db, event: PersonHidden) -> None:
    """Have every node refuse the tokens of who was suspended."""
    if event.suspended:
        await services.publisher.broadcast(TOPIC, BARRED, Named(event.user_id))


async def let_in(services: Services, _db: Db, event: PersonShownAgain) -> None:
    """Have every node take a person's tokens again."""
    await services.publisher.broadcast(TOPIC, LET_IN, Named(event.user_id))


async def tell(services: Services, _db: Db, event: Decided) -> None:
    """Tell the person's open screens what was decided, and why."""
    told = Moderation(event.verdict, event.reason, event.note, event.item_id)
    await services.publisher.broadcast(f"user:{event.user_id}", "moderation", told)


reactions = [
    Reaction("moderation.bar", PersonHidden, bar),
    Reaction("moderation.let_in", PersonShownAgain, let_in),
    Reaction("moderation.tell", Decided, tell),
]
