"""The endpoints of a person's inbox."""

from server.kernel.endpoint import Call, Nothing, Operation
from server.kernel.problems import CursorInvalid, SignInFirst
from server.notifications import actions
from server.notifications.model import MarkRead, NotificationPage, PageQuery, Unread


async def page(call: Call[Nothing, PageQuery]) -> NotificationPage:
    """Give the viewer's notifications, those first that changed last."""
    async with call.services.database.read() as db:
        return await actions.page(db, call.viewer, call.services.policy.secret, call.query)


async def mark_read(call: Call[MarkRead, Nothing]) -> Unread:
    """Mark notifications as read: all, or those up to one of them."""
    services = call.services
    async with services.write() as db:
        left = await actions.mark_read(db, call.viewer, call.body.up_to, services.clock.now())
    return Unread(left)


operations = [
    Operation(
        method="GET",
        path="/notifications",
        handler=page,
        access="user",
        query=PageQuery,
        returns=NotificationPage,
        problems=(SignInFirst, CursorInvalid),
        tag="notifications",
    ),
    Operation(
        method="POST",
        path="/notifications/read",
        handler=mark_read,
        access="user",
        body=MarkRead,
        returns=Unread,
        problems=(SignInFirst,),
        tag="notifications",
    ),
]
