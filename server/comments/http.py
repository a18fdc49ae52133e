"""The endpoints of comments."""

from server.comments import actions
from server.comments.model import (
    Comment,
    CommentPage,
    CommentsClosed,
    Draft,
    Edit,
    PageQuery,
    TooDeep,
)
from server.engagement import NoSuchItem
from server.kernel.endpoint import Call, Nothing, Operation
from server.kernel.problems import CursorInvalid, Malformed, NotAllowed, SignInFirst, TooMany
from server.posts import TooLateToEdit


async def page(call: Call[Nothing, PageQuery]) -> CommentPage:
    """Give the comments under an item; of a comment, the answers to it."""
    services = call.services
    wanted = call.query.wanted(services.policy.secret)
    async with services.database.read() as db:
        return await actions.page(db, call.viewer, call.id(), services.storage, wanted)


async def create(call: Call[Draft, Nothing]) -> Comment:
    """Write under an item, or answer a comment; the same sent again is the same comment."""
    services = call.services
    async with services.write() as db:
        comment_id = await actions.create(
            db, call.viewer, call.id(), call.body, services.clock.now()
        )
        return (await actions.by_ids(db, call.viewer, [comment_id], services.storage))[comment_id]


async def edit(call: Call[Edit, Nothing]) -> Comment:
    """Give one's own comment other words, for a while after it was written."""
    services = call.services
    async with services.write() as db:
        seconds, now = services.policy.post_edit_seconds, services.clock.now()
        await actions.edit(db, call.viewer, call.id(), call.body, seconds, now)
        found = await actions.by_ids(db, call.viewer, [call.id()], services.storage)
    return found[call.id()]


async def delete(call: Call[Nothing, Nothing]) -> None:
    """Take a comment away, one's own or, as an admin, any; doing it again changes nothing."""
    async with call.services.write() as db:
        await actions.delete(db, call.viewer, call.id(), call.services.clock.now())


operations = [
    Operation(
        method="GET",
        path="/items/{id}/comments",
        handler=page,
        query=PageQuery,
        returns=CommentPage,
        problems=(NoSuchItem, CursorInvalid),
        public=True,
        tag="comments",
    ),
    Operation(
        method="POST",
        path="/items/{id}/comments",
        handler=create,
        access="user",
        body=Draft,
        returns=Comment,
        status=201,
        problems=(
            SignInFirst,
            NotAllowed,
            CommentsClosed,
            NoSuchItem,
            Malformed,
            TooDeep,
            TooMany,
        ),
        tag="comments",
    ),
    Operation(
        method="PATCH",
        path="/comments/{id}",
        handler=edit,
        access="user",
        body=Edit,
        returns=Comment,
        problems=(SignInFirst, NotAllowed, NoSuchItem, TooLateToEdit, Malformed, TooMany),
        tag="comments",
    ),
    Operation(
        method="DELETE",
        path="/comments/{id}",
        handler=delete,
        access="user",
        status=204,
        problems=(SignInFirst, NotAllowed, NoSuchItem, TooMany),
        tag="comments",
    ),
]
