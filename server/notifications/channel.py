"""The channel of one person's inbox, which nobody else can join."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from typing_extensions import override

from server.kernel.channel import On, Renew, Renewed, TypedChannel
from server.kernel.endpoint import Nothing
from server.kernel.problems import uuid_from
from server.notifications import reading
from server.notifications.model import (
    Ack,
    GonePush,
    Inbox,
    InboxJoin,
    MarkRead,
    Missed,
    NotificationPage,
    NotificationPush,
    PageQuery,
    ReadPush,
    Unread,
    read_change,
)
from server.notifications.projection import Projection
from server.uploads import MediaPush


class UserChannel(TypedChannel):
    """`user:ID`: notifications as they come; the join gives what came meanwhile.

    A session says by `ack` up to where it has everything; what it turns out to lack is in the
    reply. Where the nodes could not hear one another, what was missed is pushed by itself.
    """

    joins: ClassVar[type] = InboxJoin
    join_returns: ClassVar[Any] = Inbox
    intercept: ClassVar[frozenset[str]] = frozenset({"notification", "gone"})

    # Up to which change this session was sent everything.
    _sent = 0
    _detach: Callable[[], None] | None = None

    @override
    async def joined(self, params: InboxJoin) -> Inbox:
        reading.check_owner(self.viewer, self._owner)
        services = self.services
        async with services.database.read() as db:
            inbox = await reading.joined(
                db, self.viewer, services.policy.secret, params, Projection(services.redis)
            )
        self._note(inbox.cursor)
        self._detach = self.socket.endpoint.on_gap(lambda: self.send_info("gap"))
        return inbox

    @override
    def handle_out(self, event: str, payload: Any) -> None:
        """Send on what is new to this session; a push that came again, or late, it has already."""
        change = read_change(self.services.policy.secret, self._owner, payload["cursor"])
        if change >= self._sent:
            self._sent = change
            self.push(event, payload)

    @override
    async def handle_info(self, message: Any) -> None:
        """Push what this session missed while the nodes could not hear one another."""
        if message != "gap":
            return
        services, owner = self.services, self._owner
        async with services.database.read() as db:
            secret = services.policy.secret
            missed = await reading.missed_since(db, owner, secret, self._sent)
        self._note(missed.cursor)
        self.push("missed", missed)

    @override
    def terminate(self, reason: str) -> None:
        if self._detach is not None:
            self._detach()

    async def page(self, query: PageQuery) -> NotificationPage:
        """Give a page of notifications."""
        services = self.services
        async with services.database.read() as db:
            return await reading.page(
                db, self.viewer, services.policy.secret, query, Projection(services.redis)
            )

    async def read(self, mark: MarkRead) -> Unread:
        """Mark notifications as read: all, or those up to one of them."""
        services = self.services
        async with services.write() as db:
            return await reading.mark_read(db, self.viewer, mark.up_to, services.clock.now())

    async def seen(self, _: Nothing) -> Unread:
        """Mark notifications as seen: they count as new no longer."""
        async with self.services.write() as db:
            return await reading.mark_seen(db, self.viewer)

    async def ack(self, ack: Ack) -> Missed:
        """Keep that this session has everything up to a cursor, and give what it lacks."""
        services = self.services
        async with services.database.read() as db:
            return await reading.acknowledge(db, self.viewer, services.policy.secret, ack.up_to)

    @property
    def _owner(self) -> Any:
        return uuid_from(self.topic.removeprefix("user:"))

    def _note(self, cursor: str) -> None:
        self._sent = read_change(self.services.policy.secret, self._owner, cursor)

    async def renew(self, given: Renew) -> Renewed:
        """Let the socket go on with a newer access token."""
        return Renewed(await self.viewer_socket.renew(given.access_token))

    handles: ClassVar[Mapping[str, On]] = {
        # For anyone: a token that has just ended makes a visitor, until the next one is here.
        "token": On(Renew, renew, returns=Renewed),
        "more": On(PageQuery, page, access="user", returns=NotificationPage),
        "read": On(MarkRead, read, access="user", returns=Unread),
        "seen": On(Nothing, seen, access="user", returns=Unread),
        "ack": On(Ack, ack, access="user", returns=Missed),
    }
    pushes: ClassVar[Mapping[str, Any]] = {
        "notification": NotificationPush,
        "gone": GonePush,
        "read": ReadPush,
        "missed": Missed,
        "media": MediaPush,
    }
