"""Where hubs reach us (W3C WebSub): they ask whether we want to be told, and then they tell."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.responses import PlainTextResponse, Response

from server.kernel.endpoint import Call, Limit, Nothing, Operation, read_body
from server.kernel.problems import Malformed, NotFound, TooLarge
from server.sources import pushing

MOST_PUSHED = 10 * 1024 * 1024
_HUBS = Limit(300, 60, by="address")


class Intent(Struct, frozen=True):
    """What a hub asks, or says."""

    mode: Literal["subscribe", "unsubscribe", "denied"] = msgspec.field(name="hub.mode")
    topic: Annotated[str, Meta(max_length=2000)] = msgspec.field(name="hub.topic")
    challenge: Annotated[str, Meta(max_length=2000)] | None = msgspec.field(
        default=None, name="hub.challenge"
    )
    lease_seconds: Annotated[int, Meta(ge=0)] | None = msgspec.field(
        default=None, name="hub.lease_seconds"
    )
    reason: Annotated[str, Meta(max_length=500)] = msgspec.field(default="", name="hub.reason")


async def verify(call: Call[Nothing, Intent]) -> Response:
    """Confirm to a hub that we want what it was asked for; nobody else can ask in our name."""
    intent, now = call.query, call.services.clock.now()
    async with call.services.write() as db:
        if intent.mode == "denied":
            reason = intent.reason or "The hub will not tell us."
            known = await pushing.deny(db, call.id(), topic=intent.topic, reason=reason, now=now)
        elif intent.mode == "subscribe":
            known = intent.challenge is not None and await pushing.confirm(
                db,
                call.id(),
                topic=intent.topic,
                lease_seconds=intent.lease_seconds,
                now=now,
            )
        else:
            # We never ask for it: whoever does is not us, unless we know of no such thing.
            known = await pushing.subscription(db, call.id()) is None
    if not known:
        raise NotFound("Nothing of the kind was asked for.")
    return PlainTextResponse(intent.challenge or "")


async def receive(call: Call[Nothing, Nothing]) -> Response:
    """Take what a hub sends. A wrong signature is answered as a right one, and kept is nothing."""
    content = await read_body(call.request, MOST_PUSHED)
    async with call.services.write() as db:
        taken = await pushing.receive(
            db,
            call.id(),
            content,
            call.request.headers.get("x-hub-signature"),
            call.services.clock.now(),
        )
    if taken is None:
        raise NotFound("Nothing of the kind was asked for.")
    return Response(status_code=202)


operations = [
    Operation(
        method="GET",
        path=pushing.PATH,
        handler=verify,
        query=Intent,
        problems=(Malformed, NotFound),
        limit=_HUBS,
        tag="sources",
    ),
    Operation(
        method="POST",
        path=pushing.PATH,
        handler=receive,
        status=202,
        problems=(NotFound, TooLarge),
        limit=_HUBS,
        tag="sources",
    ),
]
