"""The endpoints of reporting, and of the moderators."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from server import audit
from server.audit import Deed
from server.kernel import parked as shelf
from server.kernel.endpoint import Call, Handler, Limit, Nothing, Operation
from server.kernel.problems import (
    Conflict,
    CursorInvalid,
    Malformed,
    NotAllowed,
    NotFound,
    Problem,
    SignInFirst,
)
from server.moderation import actions, cases, lookup
from server.moderation.model import (
    AlreadyClaimed,
    AlreadyDecided,
    CasePage,
    CaseShown,
    Decision,
    ItemShown,
    ItemStatus,
    NewReport,
    NotClaimed,
    PersonShown,
    PersonStatus,
    QueueQuery,
    ReportPlaced,
)


class ParkedEvent(Struct, frozen=True):
    """An event that no attempt could deliver."""

    id: UUID
    group: str
    topic: str
    attempts: int
    error: str
    parked_at: datetime


class ParkedEvents(Struct, frozen=True):
    """The latest of them, and how the outbox stands."""

    items: list[ParkedEvent]
    waiting: int
    parked: int
    oldest_seconds: float


class Revived(Struct, frozen=True):
    """So many events will be tried again."""

    count: int


async def report(call: Call[NewReport, Nothing]) -> ReportPlaced:
    """Report an item or a person to the moderators."""
    async with call.services.write() as db:
        return await cases.report(db, call.viewer, call.body, call.services.clock.now())


async def queue(call: Call[Nothing, QueueQuery]) -> CasePage:
    """Give what was reported: one case for each target, the oldest first."""
    services = call.services
    async with services.database.read() as db:
        return await cases.queue(db, call.viewer, services.policy.secret, call.query)


async def claim(call: Call[Nothing, Nothing]) -> CaseShown:
    """Take a case for a quarter of an hour, so that no other moderator decides it."""
    async with call.services.write() as db:
        return await cases.claim(db, call.viewer, call.id(), call.services.clock.now())


async def release(call: Call[Nothing, Nothing]) -> None:
    """Let a case go again."""
    async with call.services.write() as db:
        await cases.release(db, call.viewer, call.id(), call.services.clock.now())


async def verdict(call: Call[Decision, Nothing]) -> CaseShown:
    """Decide a case that one holds; what is decided is done at once."""
    async with call.services.write() as db:
        return await cases.decide(db, call.viewer, call.id(), call.body, call.services.clock.now())


async def item(call: Call[Nothing, Nothing]) -> ItemShown:
    """Give an item as it is kept, removed or not."""
    async with call.services.database.read() as db:
        return await lookup.item(db, call.viewer, call.id())


async def set_item(call: Call[ItemStatus, Nothing]) -> ItemShown:
    """Remove an item everywhere, or show it again."""
    body, now = call.body, call.services.clock.now()
    async with call.services.write() as db:
        if body.state == "removed":
            await actions.take_down(db, call.viewer, call.id(), body, now)
        else:
            await actions.restore(db, call.viewer, call.id(), body.note, now)
        return await lookup.item(db, call.viewer, call.id())


async def person(call: Call[Nothing, Nothing]) -> PersonShown:
    """Give a person's standing."""
    async with call.services.database.read() as db:
        return await lookup.person(db, call.viewer, call.id())


async def set_person(call: Call[PersonStatus, Nothing]) -> PersonShown:
    """Let a person take part as others do, unseen by others, or not at all."""
    async with call.services.write() as db:
        await actions.judge(db, call.viewer, call.id(), call.body, call.services.clock.now())
        return await lookup.person(db, call.viewer, call.id())


async def parked(call: Call[Nothing, Nothing]) -> ParkedEvents:
    """Give the events that no attempt could deliver, the latest first."""
    async with call.services.database.read() as db:
        found, lag = await shelf.parked(db), await shelf.lag(db)
    return ParkedEvents(
        [
            ParkedEvent(each.id, each.group, each.topic, each.attempts, each.error, each.at)
            for each in found
        ],
        lag.waiting,
        lag.parked,
        lag.oldest_seconds,
    )


async def revive(call: Call[Nothing, Nothing]) -> Revived:
    """Have every parked event tried again."""
    async with call.services.write() as db:
        count = await shelf.revive(db)
        deed = Deed(action="events.revive", target_kind="outbox", target_id="parked")
        await audit.record(db, call.viewer, deed, call.services.clock.now())
    return Revived(count)


def _admins(
    method: Literal["GET", "POST", "PUT", "DELETE"],
    path: str,
    handler: Handler,
    returns: Any,
    *problems: type[Problem],
    **more: Any,
) -> Operation:
    return Operation(
        method=method,
        path=path,
        handler=handler,
        access="admin",
        returns=returns,
        problems=(SignInFirst, NotAllowed, *problems),
        tag="admin",
        **more,
    )


_CASE = (NotFound, AlreadyDecided, AlreadyClaimed)

operations = [
    Operation(
        method="POST",
        path="/reports",
        handler=report,
        access="user",
        body=NewReport,
        returns=ReportPlaced,
        status=201,
        problems=(SignInFirst, NotAllowed, NotFound, Malformed),
        limit=Limit(10, 300),
        tag="reports",
    ),
    _admins("GET", "/admin/reports", queue, CasePage, CursorInvalid, query=QueueQuery),
    _admins("POST", "/admin/reports/{id}/claim", claim, CaseShown, *_CASE),
    _admins("DELETE", "/admin/reports/{id}/claim", release, None, *_CASE, status=204),
    _admins(
        "POST",
        "/admin/reports/{id}/verdict",
        verdict,
        CaseShown,
        *_CASE,
        NotClaimed,
        Conflict,
        body=Decision,
    ),
    _admins("GET", "/admin/items/{id}", item, ItemShown, NotFound),
    _admins("PUT", "/admin/items/{id}", set_item, ItemShown, NotFound, Conflict, body=ItemStatus),
    _admins("GET", "/admin/users/{id}", person, PersonShown, NotFound),
    _admins("PUT", "/admin/users/{id}", set_person, PersonShown, NotFound, body=PersonStatus),
    _admins("GET", "/admin/events", parked, ParkedEvents),
    _admins("POST", "/admin/events/revive", revive, Revived),
]
