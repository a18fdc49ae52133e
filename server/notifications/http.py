"""The endpoints of a person's inbox."""

from server.kernel.endpoint import Call, Nothing, Operation
from server.kernel.problems import CursorInvalid, SignInFirst
from server.notifications import reading
from server.notifications.model import (
    MarkRead,
    NotificationPage,
    PageQuery,
    Preferences,
    PreferencesChange,
    Unread,
)
from server.notifications.projection import Projection


async def page(call: Call[Nothing, PageQuery]) -> NotificationPage:
    """Give the viewer's notifications, those first that changed last."""
    services = call.services
    async with services.database.read() as db:
        return await reading.page(
            db, call.viewer, services.policy.secret, call.query, Projection(services.redis)
        )


async def mark_read(call: Call[MarkRead, Nothing]) -> Unread:
    """Mark notifications as read: all, or those up to one of them."""
    services = call.services
    async with services.write() as db:
        return await reading.mark_read(db, call.viewer, call.body.up_to, services.clock.now())


async def mark_seen(call: Call[Nothing, Nothing]) -> Unread:
    """Mark notifications as seen: they count as new no longer, but as unread."""
    async with call.services.write() as db:
        return await reading.mark_seen(db, call.viewer)


async def preferences(call: Call[Nothing, Nothing]) -> Preferences:
    """Give what the viewer is told of, by which ways, and how often by letter."""
    async with call.services.database.read() as db:
        return await reading.preferences(db, call.viewer)


async def prefer(call: Call[PreferencesChange, Nothing]) -> Preferences:
    """Change what the viewer is told of; what is not named stays."""
    services = call.services
    async with services.write() as db:
        return await reading.prefer(db, call.viewer, call.body, services.clock.now())


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
    Operation(
        method="POST",
        path="/notifications/seen",
        handler=mark_seen,
        access="user",
        returns=Unread,
        problems=(SignInFirst,),
        tag="notifications",
    ),
    Operation(
        method="GET",
        path="/notifications/preferences",
        handler=preferences,
        access="user",
        returns=Preferences,
        problems=(SignInFirst,),
        tag="notifications",
    ),
    Operation(
        method="PATCH",
        path="/notifications/preferences",
        handler=prefer,
        access="user",
        body=PreferencesChange,
        returns=Preferences,
        problems=(SignInFirst,),
        tag="notifications",
    ),
]
