"""The endpoints of what reaches people outside the app: their browsers, and letters."""

from msgspec import Struct
from starlette.responses import HTMLResponse, Response

from server.kernel.endpoint import Call, Nothing, Operation
from server.kernel.problems import Malformed, NotFound, SignInFirst
from server.notifications import digest, reading, sending, vapid
from server.notifications.vapid import PushKey, Subscribe, Subscribed, Unsubscribe


class LinkQuery(Struct, frozen=True):
    """The token of a letter's link."""

    token: str


async def push_key(call: Call[Nothing, Nothing]) -> PushKey:
    """Give the key that a browser subscribes with."""
    return PushKey(vapid.public_key(call.services.policy))


async def subscribe(call: Call[Subscribe, Nothing]) -> Subscribed:
    """Have a browser told of what concerns the viewer."""
    services = call.services
    owner = reading.owner_of(call.viewer)
    vapid.public_key(services.policy)
    endpoint, point, secret = vapid.check(services.policy, call.body)
    async with services.write() as db:
        return Subscribed(str(await sending.subscribe(db, owner, endpoint, point, secret)))


async def unsubscribe(call: Call[Unsubscribe, Nothing]) -> None:
    """Have a browser told no more; one that is not known changes nothing."""
    owner = reading.owner_of(call.viewer)
    async with call.services.write() as db:
        await sending.unsubscribe(db, owner, call.body.endpoint)


async def ask_unsubscribe(call: Call[Nothing, LinkQuery]) -> Response:
    """Ask whether letters shall end; following a link ends none, for machines follow links."""
    digest.owner_of_link(call.services.policy.secret, call.query.token)
    return _page("Shall we send you no more letters about what you missed?", _FORM)


async def end_letters(call: Call[Nothing, LinkQuery]) -> Response:
    """End the letters of a link's owner, with one click (RFC 8058)."""
    owner = digest.owner_of_link(call.services.policy.secret, call.query.token)
    async with call.services.write() as db:
        await digest.end(db, owner, call.services.clock.now())
    return _page("We send you no more letters about what you missed.", "")


_FORM = '<form method="post"><button>Send me no more</button></form>'


def _page(said: str, more: str) -> Response:
    body = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Letters from Lumen</title></head><body><p>{said}</p>{more}</body></html>"
    )
    # In a sandbox the form is sent without cookies: the token in the link is all that counts.
    policy = "default-src 'none'; form-action 'self'; sandbox allow-forms"
    headers = {"content-security-policy": policy, "cache-control": "no-store"}
    return HTMLResponse(body, headers=headers)


operations = [
    Operation(
        method="GET",
        path="/push/key",
        handler=push_key,
        returns=PushKey,
        problems=(NotFound,),
        tag="notifications",
    ),
    Operation(
        method="POST",
        path="/push/subscriptions",
        handler=subscribe,
        access="user",
        body=Subscribe,
        returns=Subscribed,
        status=201,
        problems=(SignInFirst, Malformed, NotFound),
        tag="notifications",
    ),
    Operation(
        method="DELETE",
        path="/push/subscriptions",
        handler=unsubscribe,
        access="user",
        body=Unsubscribe,
        status=204,
        problems=(SignInFirst,),
        tag="notifications",
    ),
    Operation(
        method="GET",
        path="/notifications/unsubscribe",
        handler=ask_unsubscribe,
        query=LinkQuery,
        problems=(NotFound,),
        tag="notifications",
    ),
    Operation(
        method="POST",
        path="/notifications/unsubscribe",
        handler=end_letters,
        query=LinkQuery,
        problems=(NotFound,),
        tag="notifications",
    ),
]
