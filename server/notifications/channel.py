"""The channel of one person's inbox, which nobody else can join."""

from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from server.kernel.channel import On, TypedChannel
from server.kernel.problems import uuid_from
from server.notifications import actions
from server.notifications.model import (
    MarkRead,
    NotificationPage,
    NotificationPush,
    PageQuery,
    ReadPush,
    Unread,
)


class UserChannel(TypedChannel):
    """`user:ID`: notifications as they come; the join gives what came meanwhile."""

    joins: ClassVar[type] = PageQuery
    join_returns: ClassVar[Any] = NotificationPage

    @override
    async def joined(self, params: PageQuery) -> NotificationPage:
        actions.check_owner(self.viewer, uuid_from(self.topic.removeprefix("user:")))
        return await self.page(params)

    async def page(self, query: PageQuery) -> NotificationPage:
        """Give a page of notifications."""
        services = self.services
        async with services.database.read() as db:
            return await actions.page(db, self.viewer, services.policy.secret, query)

    async def read(self, mark: MarkRead) -> Unread:
        """Mark notifications as read: all, or those up to one of them."""
        services = self.services
        async with services.write() as db:
            now = services.clock.now()
            return Unread(await actions.mark_read(db, self.viewer, mark.up_to, now))

    handles: ClassVar[Mapping[str, On]] = {
        "more": On(PageQuery, page, access="user", returns=NotificationPage),
        "read": On(MarkRead, read, access="user", returns=Unread),
    }
    pushes: ClassVar[Mapping[str, Any]] = {"notification": NotificationPush, "read": ReadPush}
