"""The endpoints of following, blocking and muting, repeatable; and of who follows whom."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Literal

from server.graph import actions
from server.graph.model import (
    Blocked,
    ListPrivate,
    NoSuchPerson,
    NotYourself,
    PeoplePage,
    PeopleQuery,
    Relation,
    TooManyPeople,
)
from server.kernel.database import Db
from server.kernel.endpoint import Call, Handler, Nothing, Operation
from server.kernel.problems import CursorInvalid, NotAllowed, SignInFirst, TooMany
from server.kernel.viewer import Viewer


async def follow(call: Call[Nothing, Nothing]) -> Relation:
    """Follow a person."""
    most = call.services.policy.most_followees
    return await _act(call, partial(actions.follow, most=most))


async def unfollow(call: Call[Nothing, Nothing]) -> Relation:
    """Follow a person no longer."""
    return await _act(call, actions.unfollow)


async def block(call: Call[Nothing, Nothing]) -> Relation:
    """Block a person: neither follows, reaches or sees the other from now on."""
    return await _act(call, actions.block)


async def unblock(call: Call[Nothing, Nothing]) -> Relation:
    """Lift a block."""
    return await _act(call, actions.unblock)


async def mute(call: Call[Nothing, Nothing]) -> Relation:
    """See nothing of a person in feeds, without their knowing."""
    return await _act(call, actions.mute)


async def unmute(call: Call[Nothing, Nothing]) -> Relation:
    """See a person in feeds again."""
    return await _act(call, actions.unmute)


async def followers(call: Call[Nothing, PeopleQuery]) -> PeoplePage:
    """Give who follows a person, the latest first."""
    secret = call.services.policy.secret
    async with call.services.database.read() as db:
        return await actions.followers_page(
            db, call.viewer, call.path["username"], secret, call.query
        )


async def following(call: Call[Nothing, PeopleQuery]) -> PeoplePage:
    """Give whom a person follows, the latest first."""
    secret = call.services.policy.secret
    async with call.services.database.read() as db:
        return await actions.following_page(
            db, call.viewer, call.path["username"], secret, call.query
        )


async def _act(
    call: Call[Nothing, Nothing], act: Callable[[Db, Viewer, str], Awaitable[Relation]]
) -> Relation:
    async with call.services.write() as db:
        return await act(db, call.viewer, call.path["username"])


def _tie(method: Literal["PUT", "DELETE"], what: str, handler: Handler) -> Operation:
    problems = (SignInFirst, NotAllowed, NoSuchPerson, NotYourself, TooMany)
    more = (Blocked,) if what == "follow" else ()
    full = (TooManyPeople,) if method == "PUT" else ()
    return Operation(
        method=method,
        path=f"/users/{{username}}/{what}",
        handler=handler,
        access="user",
        returns=Relation,
        problems=(*problems, *more, *full),
        tag="people",
    )


def _list(side: str, handler: Handler) -> Operation:
    return Operation(
        method="GET",
        path=f"/users/{{username}}/{side}",
        handler=handler,
        query=PeopleQuery,
        returns=PeoplePage,
        problems=(NoSuchPerson, ListPrivate, CursorInvalid),
        etag=True,
        tag="people",
    )


operations = [
    _tie("PUT", "follow", follow),
    _tie("DELETE", "follow", unfollow),
    _tie("PUT", "block", block),
    _tie("DELETE", "block", unblock),
    _tie("PUT", "mute", mute),
    _tie("DELETE", "mute", unmute),
    _list("followers", followers),
    _list("following", following),
]
