"""The endpoints of signing in by Google: the way there, and the way back."""

import hmac
from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from starlette.responses import RedirectResponse

from server.auth import actions, cookies, google
from server.auth.model import Session
from server.auth.oidc import Attempt, Issuer, IssuerRefused
from server.kernel.endpoint import Call, Limit, Nothing, Operation
from server.kernel.problems import NotFound, Problem, TooMany, Unavailable
from server.kernel.services import Policy
from server.kernel.signing import ForgedError, Signer

WITHIN = timedelta(minutes=10)
COOKIE = "oidc"
PATH = "/auth/google"


class NoGoogle(NotFound):
    """Signing in by Google is not set up here."""


class WayBack(Struct, frozen=True):
    """What the issuer sends a person back with."""

    state: Annotated[str, Meta(max_length=200)] = ""
    code: Annotated[str, Meta(max_length=2000)] = ""
    error: Annotated[str, Meta(max_length=200)] = ""


async def begin(call: Call[Nothing, Nothing]) -> RedirectResponse:
    """Send a person to Google to sign in."""
    issuer = _issuer(call)
    attempt = Attempt.begin(call.services.clock.now() + WITHIN)
    where = await issuer.way_in(attempt)
    policy = call.services.policy
    kept = Signer(policy.secret, "oidc").sign(msgspec.msgpack.encode(attempt))
    call.headers.append(("set-cookie", _cookie(policy, kept, int(WITHIN.total_seconds()))))
    return RedirectResponse(where, 303, {"cache-control": "no-store"})


async def come_back(call: Call[Nothing, WayBack]) -> RedirectResponse:
    """Sign a person in whom Google vouches for, and show the page.

    What went wrong stands in the page's fragment, as `#sign-in-failed=REASON`.
    """
    issuer = _issuer(call)
    call.headers.append(("set-cookie", _cookie(call.services.policy, "", 0)))
    try:
        session = await _session(call, issuer)
    except IssuerRefused:
        return _page("not_vouched_for")
    except Problem as problem:
        return _page(problem.reason())
    cookies.signed_in(call, session)
    return _page("")


async def _session(call: Call[Nothing, WayBack], issuer: Issuer) -> Session:
    services = call.services
    identity = await issuer.identity(call.query.code, _attempt(call))
    async with services.write() as db:
        now = services.clock.now()
        user = await google.known_as(db, issuer.name, identity, now)
        return await actions.open_session(
            db, services.policy, user, now, user_agent=cookies.user_agent(call)
        )


def _attempt(call: Call[Nothing, WayBack]) -> Attempt:
    """Find the attempt that this browser began, and check that it is the one that ends here."""
    given = call.request.cookies.get(COOKIE, "")
    try:
        opened = Signer(call.services.policy.secret, "oidc").open(given)
    except ForgedError as error:
        raise IssuerRefused("This browser began nothing.") from error
    attempt = msgspec.msgpack.decode(opened, type=Attempt)
    ours = hmac.compare_digest(attempt.state.encode(), call.query.state.encode())
    late = call.services.clock.now().timestamp() >= attempt.ends_at
    if late or not ours or call.query.error or not call.query.code:
        raise IssuerRefused("The attempt has ended, or is another's.")
    return attempt


def _issuer(call: Call[Nothing, WayBack] | Call[Nothing, Nothing]) -> Issuer:
    if call.services.policy.google is None:
        raise NoGoogle
    return call.services.part(Issuer)


def _page(reason: str) -> RedirectResponse:
    fragment = f"#sign-in-failed={reason}" if reason else ""
    return RedirectResponse(f"/{fragment}", 303, {"cache-control": "no-store"})


def _cookie(policy: Policy, value: str, seconds: int) -> str:
    # Lax, for it must come along when Google sends the person back.
    secure = "; Secure" if policy.secure_cookies else ""
    return f"{COOKIE}={value}; Path={PATH}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"


_ATTEMPTS = Limit(15, 300, "address")

operations = [
    Operation(
        method="GET",
        path=PATH,
        handler=begin,
        status=303,
        problems=(NoGoogle, TooMany, Unavailable),
        limit=_ATTEMPTS,
        tag="auth",
    ),
    Operation(
        method="GET",
        path=f"{PATH}/callback",
        handler=come_back,
        query=WayBack,
        status=303,
        problems=(NoGoogle, TooMany),
        limit=_ATTEMPTS,
        tag="auth",
    ),
]
