"""What happens to edges when a person is gone for good."""

from server.engagement import departures
from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.users.events import UserErased


async def take_back(services: Services, _db: Db, event: UserErased) -> None:
    """Remove what the person liked, saved, reposted and voted for, a few in each transaction."""
    more = True
    while more:
        async with services.write() as db:
            more = await departures.take_back(db, event.user_id)


reactions = [Reaction("engagement.take_back", UserErased, take_back)]
