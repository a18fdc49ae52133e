"""The endpoints of liking and keeping items: repeated, they change nothing."""

from typing import Literal

from server.engagement import actions, together
from server.engagement.model import Edge, NoSuchItem, Standing
from server.kernel.endpoint import Call, Handler, Nothing, Operation
from server.kernel.problems import SignInFirst, TooMany


async def like(call: Call[Nothing, Nothing]) -> Standing:
    """Like an item."""
    return await together.act(call.services, call.viewer, call.id(), "like")


async def unlike(call: Call[Nothing, Nothing]) -> Standing:
    """Take a like back."""
    return await together.act(call.services, call.viewer, call.id(), "unlike")


async def bookmark(call: Call[Nothing, Nothing]) -> Standing:
    """Keep an item for later."""
    return await together.act(call.services, call.viewer, call.id(), "bookmark")


async def unbookmark(call: Call[Nothing, Nothing]) -> Standing:
    """Keep an item no longer."""
    return await together.act(call.services, call.viewer, call.id(), "unbookmark")


async def repost(call: Call[Nothing, Nothing]) -> Standing:
    """Pass an item on to one's followers."""
    return await together.act(call.services, call.viewer, call.id(), "repost")


async def unrepost(call: Call[Nothing, Nothing]) -> Standing:
    """Take a repost back."""
    return await together.act(call.services, call.viewer, call.id(), "unrepost")


async def toggle_like(call: Call[Nothing, Nothing]) -> Standing:
    """Like an item, or take the like back; the same key is the same touch of the button."""
    return await _toggle(call, "like")


async def toggle_bookmark(call: Call[Nothing, Nothing]) -> Standing:
    """Keep an item for later, or no longer; the same key is the same touch of the button."""
    return await _toggle(call, "bookmark")


async def toggle_repost(call: Call[Nothing, Nothing]) -> Standing:
    """Pass an item on, or take that back; the same key is the same touch of the button."""
    return await _toggle(call, "repost")


async def _toggle(call: Call[Nothing, Nothing], edge: Edge) -> Standing:
    async with call.services.write() as db:
        return await actions.toggle(db, call.viewer, call.id(), edge)


def _operation(method: Literal["PUT", "DELETE", "POST"], path: str, handler: Handler) -> Operation:
    return Operation(
        method=method,
        path=path,
        handler=handler,
        needs_key=method == "POST",
        access="user",
        returns=Standing,
        problems=(SignInFirst, NoSuchItem, TooMany),
        tag="engagement",
    )


operations = [
    _operation("PUT", "/items/{id}/like", like),
    _operation("DELETE", "/items/{id}/like", unlike),
    _operation("PUT", "/items/{id}/bookmark", bookmark),
    _operation("DELETE", "/items/{id}/bookmark", unbookmark),
    _operation("PUT", "/items/{id}/repost", repost),
    _operation("DELETE", "/items/{id}/repost", unrepost),
    # What other documents call a toggle (K14).
    _operation("POST", "/items/{id}/like/toggle", toggle_like),
    _operation("POST", "/items/{id}/bookmark/toggle", toggle_bookmark),
    _operation("POST", "/items/{id}/repost/toggle", toggle_repost),
]
