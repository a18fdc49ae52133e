"""The endpoint of one item."""

from server.display import actions, kept
from server.display.model import Item
from server.engagement import NoSuchItem
from server.kernel.endpoint import Call, Nothing, Operation
from server.kernel.viewer import VISITOR


async def item(call: Call[Nothing, Nothing]) -> Item:
    """Give an item whole, with its counters and what the viewer did to it."""
    services = call.services
    if call.viewer == VISITOR:
        return await kept.one(services, call.id())
    async with services.database.read() as db:
        return await actions.one(db, call.viewer, call.id(), services.storage)


operations = [
    Operation(
        method="GET",
        path="/items/{id}",
        handler=item,
        returns=Item,
        problems=(NoSuchItem,),
        public=True,
        tag="items",
    ),
]
