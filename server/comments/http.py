"""The endpoints of comments."""

from server.comments import actions
from server.comments.model import Comment, CommentPage, Draft, PageQuery, TooDeep, Wanted
from server.engagement import NoSuchItem
from server.kernel.endpoint import Call, Nothing, Operation
from server.kernel.problems import CursorInvalid, Malformed, NotAllowed, SignInFirst, TooMany


async def page(call: Call[Nothing, PageQuery]) -> CommentPage:
    """Give the comments under an item, the newest first; of a comment, the answers to it."""
    services = call.services
    wanted = Wanted(services.policy.secret, call.query.cursor, call.query.limit)
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
        problems=(SignInFirst, NotAllowed, NoSuchItem, Malformed, TooDeep, TooMany),
        tag="comments",
    ),
]
