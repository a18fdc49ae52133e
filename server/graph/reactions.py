"""What happens to ties when a person is gone for good."""

from server.graph import actions
from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.users.events import UserErased


async def end_ties(services: Services, _db: Db, event: UserErased) -> None:
    """End every follow of and by the person, a few in each transaction, and forget the rest."""
    more = True
    while more:
        async with services.write() as db:
            more = await actions.end_follows(db, event.user_id)
    async with services.write() as db:
        await actions.forget(db, event.user_id)


reactions = [Reaction("graph.end_ties", UserErased, end_ties)]
