"""Lists of what people did: their likes, their bookmarks, and who likes an item."""

import struct
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from server import engagement, graph, users
from server.display import actions
from server.display.model import AuthorRef, Item
from server.engagement import Edge, NoSuchItem
from server.graph import NoSuchPerson
from server.kernel.database import Db
from server.kernel.endpoint import Call, Nothing, Operation
from server.kernel.problems import CursorInvalid, NotAllowed, SignInFirst
from server.kernel.services import Services
from server.kernel.signing import ForgedError, Signer
from server.kernel.storage import Storage
from server.kernel.viewer import Viewer
from server.users import User

MOST = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Which list, whose, after which moment, after which id.
_LAYOUT = struct.Struct(">16s16sQ16s")


class LikesPrivate(NotAllowed):
    """Only the person themselves may see what they like."""


class ListQuery(Struct, frozen=True):
    """Which page of a list."""

    cursor: Annotated[str, Meta(max_length=120)] | None = None
    limit: Annotated[int, Meta(ge=1, le=MOST)] = 20


class ItemList(Struct, frozen=True):
    """A page of items, those first that were liked or kept last."""

    items: list[Item]
    cursor: str | None
    next_cursor: str | None
    has_more: bool


class PeopleList(Struct, frozen=True):
    """A page of people, the last who came to Lumen first."""

    items: list[AuthorRef]
    cursor: str | None
    next_cursor: str | None
    has_more: bool


async def likes(call: Call[Nothing, ListQuery]) -> ItemList:
    """Give what a person likes, the last first; others see it only if the person lets them."""
    async with call.services.database.read() as db:
        person = await _person(db, call.viewer, call.path["username"])
        if person.id != call.viewer.id:
            settings = (await users.settings_of(db, [person.id])).get(person.id)
            if settings is None or not settings.public_likes:
                raise LikesPrivate
        return await _page(db, call.viewer, call.services, call.query, ("like", person.id))


async def bookmarks(call: Call[Nothing, ListQuery]) -> ItemList:
    """Give what the viewer has kept for later, the last first; nobody else sees it."""
    if call.viewer.id is None:
        raise SignInFirst
    async with call.services.database.read() as db:
        return await _page(db, call.viewer, call.services, call.query, ("bookmark", call.viewer.id))


async def likers(call: Call[Nothing, ListQuery]) -> PeopleList:
    """Give who likes an item; whom the viewer has blocked, or who did, is left out."""
    item_id: UUID = call.id()
    query, secret = call.query, call.services.policy.secret
    place = _read(secret, "likers", item_id, query.cursor) if query.cursor else None
    async with call.services.database.read() as db:
        await actions.one(db, call.viewer, item_id, call.services.storage)
        done = await engagement.done_to(
            db, "like", item_id, before=place[1] if place else None, limit=query.limit + 1
        )
        here = done[: query.limit]
        people = await _people(db, call.viewer, [each.user_id for each in here])
    cursor = _write(secret, "likers", item_id, (_EPOCH, here[-1].user_id)) if here else query.cursor
    return PeopleList(people, cursor, cursor, has_more=len(done) > len(here))


async def _page(
    db: Db, viewer: Viewer, services: Services, query: ListQuery, of: tuple[Edge, UUID]
) -> ItemList:
    edge, user_id = of
    secret = services.policy.secret
    before = _read(secret, edge, user_id, query.cursor) if query.cursor else None
    done = await engagement.done_by(db, edge, user_id, before=before, limit=query.limit + 1)
    here = done[: query.limit]
    cursor = query.cursor
    if here:
        cursor = _write(secret, edge, user_id, (here[-1].at, here[-1].item_id))
    return ItemList(
        items=await _items(db, viewer, [each.item_id for each in here], services.storage),
        cursor=cursor,
        next_cursor=cursor,
        has_more=len(done) > len(here),
    )


async def _items(db: Db, viewer: Viewer, ids: list[UUID], storage: Storage) -> list[Item]:
    shown = await actions.show(db, viewer, ids, storage)
    return [shown[each] for each in ids if not shown[each].retracted]


async def _person(db: Db, viewer: Viewer, username: str) -> User:
    person = await users.by_username(db, username)
    if person is None or person.state in {"suspended", "deleted"}:
        raise NoSuchPerson
    if person.id != viewer.id and not await graph.may_interact(db, viewer, person.id):
        raise NoSuchPerson
    return person


async def _people(db: Db, viewer: Viewer, ids: list[UUID]) -> list[AuthorRef]:
    found = await users.by_ids(db, ids)
    hidden = await graph.hidden_authors(db, viewer, ids, muted=False)
    return [
        AuthorRef(name=found[each].display_name, id=each, username=found[each].username)
        for each in ids
        if each in found and found[each].state == "active" and each not in hidden
    ]


def _write(secret: str, which: str, whose: UUID, place: tuple[datetime, UUID]) -> str:
    moment = (place[0] - _EPOCH) // _MICROSECOND
    packed = _LAYOUT.pack(which.encode(), whose.bytes, moment, place[1].bytes)
    return Signer(secret, "lists").sign(packed)


def _read(secret: str, which: str, whose: UUID, cursor: str) -> tuple[datetime, UUID]:
    try:
        packed = Signer(secret, "lists").open(cursor)
        of, owner, moment, last = _LAYOUT.unpack(packed)
    except (ForgedError, struct.error) as error:
        raise CursorInvalid from error
    if of.rstrip(b"\0") != which.encode() or owner != whose.bytes:
        raise CursorInvalid
    return _EPOCH + moment * _MICROSECOND, UUID(bytes=last)


operations = [
    Operation(
        method="GET",
        path="/users/{username}/likes",
        handler=likes,
        query=ListQuery,
        returns=ItemList,
        problems=(NoSuchPerson, LikesPrivate, CursorInvalid),
        tag="users",
    ),
    Operation(
        method="GET",
        path="/bookmarks",
        handler=bookmarks,
        access="user",
        query=ListQuery,
        returns=ItemList,
        problems=(SignInFirst, CursorInvalid),
        tag="engagement",
    ),
    Operation(
        method="GET",
        path="/items/{id}/likes",
        handler=likers,
        query=ListQuery,
        returns=PeopleList,
        problems=(NoSuchItem, CursorInvalid),
        tag="engagement",
    ),
]
