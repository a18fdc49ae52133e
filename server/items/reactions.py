"""What items do when they are told: what is new or was edited is to be embedded."""

from server.items.events import ItemsEdited, ItemsPublished, ItemsRestored
from server.items.tasks import EMBED, embed_jobs
from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services


async def embed(
    services: Services, _db: Db, event: ItemsPublished | ItemsEdited | ItemsRestored
) -> None:
    """Queue the embedding of items whose text is new."""
    await services.queue.enqueue_many(EMBED, list(embed_jobs(event.ids)))


reactions = [
    Reaction("items.embed", ItemsPublished, embed),
    Reaction("items.embed_again", ItemsEdited, embed),
    Reaction("items.embed_restored", ItemsRestored, embed),
]
