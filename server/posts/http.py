"""The endpoints of posts that answer with other than a whole item: voting, history, deletion."""

from server.engagement import AlreadyVoted, NoSuchItem
from server.kernel.endpoint import Call, Nothing, Operation
from server.kernel.problems import NotAllowed, SignInFirst, TooMany
from server.posts import actions
from server.posts.model import NotOfThisPoll, Poll, PollEnded, PostHistory, VoteDraft


async def delete(call: Call[Nothing, Nothing]) -> None:
    """Take a post away, one's own or, as an admin, any; doing it again changes nothing."""
    async with call.services.write() as db:
        await actions.delete(db, call.viewer, call.id())


async def history(call: Call[Nothing, Nothing]) -> PostHistory:
    """Give what a post said before it was edited, the last first."""
    async with call.services.database.read() as db:
        return PostHistory(await actions.history(db, call.viewer, call.id()))


async def vote(call: Call[VoteDraft, Nothing]) -> Poll:
    """Vote in a post's poll, once and for good; sent again, the same vote changes nothing."""
    async with call.services.write() as db:
        return await actions.vote(db, call.viewer, call.id(), call.body.option)


operations = [
    Operation(
        method="DELETE",
        path="/posts/{id}",
        handler=delete,
        access="user",
        status=204,
        problems=(SignInFirst, NotAllowed, NoSuchItem, TooMany),
        tag="posts",
    ),
    Operation(
        method="GET",
        path="/posts/{id}/edits",
        handler=history,
        returns=PostHistory,
        problems=(NoSuchItem,),
        tag="posts",
    ),
    Operation(
        method="PUT",
        path="/posts/{id}/vote",
        handler=vote,
        access="user",
        body=VoteDraft,
        returns=Poll,
        problems=(
            SignInFirst,
            NotAllowed,
            NoSuchItem,
            NotOfThisPoll,
            PollEnded,
            AlreadyVoted,
            TooMany,
        ),
        tag="posts",
    ),
]
