"""The endpoint that says how well what a source publishes reaches its readers."""

from server.items.health import Health, health_of
from server.kernel.endpoint import Call, Nothing, Operation
from server.kernel.problems import Malformed, NotAllowed, NotFound, SignInFirst


async def read_health(call: Call[Nothing, Nothing]) -> Health:
    """Give how a source fares: its fetches, why they failed, and how fresh its items are."""
    async with call.services.database.read() as db:
        return await health_of(db, call.viewer, call.id(), call.services.clock.now())


operations = [
    Operation(
        method="GET",
        path="/sources/{id}/health",
        handler=read_health,
        access="admin",
        returns=Health,
        problems=(Malformed, SignInFirst, NotAllowed, NotFound),
        tag="sources",
    ),
]
