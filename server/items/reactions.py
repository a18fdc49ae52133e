"""What items do when they are told: what is new or was edited is to be embedded."""

from server.items import actions
from server.items.events import ItemsEdited, ItemsPublished, ItemsRestored
from server.items.tasks import EMBED, embed_jobs
from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.users.events import UserDeleted, UserErased, UserRestored


async def embed(
    services: Services, _db: Db, event: ItemsPublished | ItemsEdited | ItemsRestored
) -> None:
    """Queue the embedding of items whose text is new."""
    await services.queue.enqueue_many(EMBED, list(embed_jobs(event.ids)))


async def hide(_services: Services, db: Db, event: UserDeleted) -> None:
    """Take what somebody wrote off open screens who has gone; they may come back."""
    await actions.hide_of(db, event.user_id)


async def show(_services: Services, db: Db, event: UserRestored) -> None:
    """Show again what somebody wrote who came back."""
    await actions.show_of(db, event.user_id)


async def erase(_services: Services, db: Db, event: UserErased) -> None:
    """Erase what somebody wrote who did not come back; answers to it keep their place."""
    await actions.erase_of(db, event.user_id)


reactions = [
    Reaction("items.hide", UserDeleted, hide),
    Reaction("items.show", UserRestored, show),
    Reaction("items.erase", UserErased, erase),
    Reaction("items.embed", ItemsPublished, embed),
    Reaction("items.embed_again", ItemsEdited, embed),
    Reaction("items.embed_restored", ItemsRestored, embed),
]
