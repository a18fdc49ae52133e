"""The endpoints of timelines: what one follows, and one person's."""

from server.graph import NoSuchPerson
from server.kernel.endpoint import Call, Nothing, Operation
from server.kernel.problems import CursorInvalid, SignInFirst, TooMany
from server.timelines import actions
from server.timelines.model import TimelinePage, TimelineQuery


async def following(call: Call[Nothing, TimelineQuery]) -> TimelinePage:
    """Give a page of what those whom the reader follows posted and reposted, newest first."""
    return await actions.following(call.services, call.viewer, call.query)


async def of_person(call: Call[Nothing, TimelineQuery]) -> TimelinePage:
    """Give a page of what one person posted and reposted, newest first."""
    return await actions.of_person(call.services, call.viewer, call.path["username"], call.query)


operations = [
    Operation(
        method="GET",
        path="/feed/following",
        handler=following,
        access="user",
        query=TimelineQuery,
        returns=TimelinePage,
        problems=(SignInFirst, CursorInvalid, TooMany),
        tag="feed",
    ),
    Operation(
        method="GET",
        path="/users/{username}/items",
        handler=of_person,
        query=TimelineQuery,
        returns=TimelinePage,
        problems=(NoSuchPerson, CursorInvalid, TooMany),
        etag=True,
        tag="people",
    ),
]
