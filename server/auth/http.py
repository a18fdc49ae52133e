"""The endpoints of signing up, in and out."""

from typing import Any
from urllib.parse import urlsplit

from server import users
from server.auth import actions, tokens
from server.auth.model import Login, Me, Registration, SessionEnded, SignedIn, WrongCredentials
from server.auth.model import Session as OpenSession
from server.kernel.endpoint import Call, Limit, Nothing, Operation
from server.kernel.limits import admit
from server.kernel.problems import NotAllowed, SignInFirst, TooMany, Unavailable
from server.kernel.services import Policy
from server.kernel.viewer import Viewer
from server.users import UserExists


async def register(call: Call[Registration, Nothing]) -> SignedIn:
    """Make an account and sign in to it."""
    services = call.services
    _check_origin(call)
    password_hash = await actions.prepare(call.body)
    async with services.write() as db:
        user = await actions.register(db, call.viewer, call.body, password_hash)
        # Accounts are counted, not attempts: whoever picks a taken name may pick another.
        await admit(services, "signup", call.client, SIGN_UPS)
        session = await actions.open_session(db, services.policy, user, services.clock.now())
    return _signed_in(call, session)


async def login(call: Call[Login, Nothing]) -> SignedIn:
    """Sign in by username or by e-mail address."""
    services = call.services
    _check_origin(call)
    async with services.database.read() as db:
        found = await users.credentials(db, call.body.login)
    new_hash = await actions.check_password(found, call.body.password)
    if found is None:
        raise WrongCredentials
    async with services.write() as db:
        session = await actions.open_session(
            db, services.policy, found.user, services.clock.now(), new_hash=new_hash
        )
    return _signed_in(call, session)


async def refresh(call: Call[Nothing, Nothing]) -> SignedIn:
    """Exchange the refresh cookie for the next one and a new access token."""
    services = call.services
    _check_origin(call)
    given = call.request.cookies.get(tokens.REFRESH_COOKIE, "")
    async with services.write() as db:
        session = await actions.refresh(db, services.policy, given, services.clock.now())
    if session is None:
        ended = SessionEnded()
        # By this cookie the page knows that there is a session to renew.
        ended.headers["set-cookie"] = _cookie(services.policy, tokens.CSRF_COOKIE, "", "/", 0)
        raise ended
    return _signed_in(call, session)


async def logout(call: Call[Nothing, Nothing]) -> None:
    """End the session and take its cookies back."""
    services = call.services
    _check_origin(call)
    now = services.clock.now()
    async with services.write() as db:
        await actions.sign_out(
            db,
            now,
            refresh_token=call.request.cookies.get(tokens.REFRESH_COOKIE, ""),
            family=tokens.family_of(services.policy, call.request, now),
        )
    for name, path in _COOKIES.items():
        call.headers.append(("set-cookie", _cookie(services.policy, name, "", path, 0)))


async def me(call: Call[Nothing, Nothing]) -> Me:
    """Give the account of whoever asks."""
    async with call.services.database.read() as db:
        return await actions.me(db, call.viewer)


# The refresh token travels only where it is used.
_COOKIES = {tokens.ACCESS_COOKIE: "/", tokens.CSRF_COOKIE: "/", tokens.REFRESH_COOKIE: "/auth"}


def _signed_in(call: Call[Any, Any], session: OpenSession) -> SignedIn:
    policy = call.services.policy
    viewer = Viewer(session.user.id, session.user.role)
    token = tokens.access_token(policy, viewer, session.family, call.services.clock.now())
    access_seconds = int(policy.access_token_seconds)
    refresh_seconds = int(policy.refresh_token_seconds)
    values = {
        tokens.ACCESS_COOKIE: (token, access_seconds),
        tokens.CSRF_COOKIE: (tokens.csrf_value(policy, session.family), refresh_seconds),
        tokens.REFRESH_COOKIE: (session.refresh_token, refresh_seconds),
    }
    for name, (value, seconds) in values.items():
        cookie = _cookie(policy, name, value, _COOKIES[name], seconds)
        call.headers.append(("set-cookie", cookie))
    return SignedIn(user=Me.of(session.user), access_token=token, expires_in=access_seconds)


def _cookie(policy: Policy, name: str, value: str, path: str, seconds: int) -> str:
    # The page reads the CSRF value, and nothing else.
    hidden = "" if name == tokens.CSRF_COOKIE else "; HttpOnly"
    secure = "; Secure" if policy.secure_cookies else ""
    return f"{name}={value}; Path={path}; Max-Age={seconds}; SameSite=Lax{hidden}{secure}"


def _check_origin(call: Call[Any, Any]) -> None:
    """Refuse a browser that acts for another site; programs that are no browser send no origin.

    These doors are open while the access cookie has ended, and with it the check of the CSRF
    header; and nobody shall be signed in as somebody else by a page that is not ours.
    """
    headers, policy = call.request.headers, call.services.policy
    origin = headers.get("origin")
    if origin is None:
        ours = headers.get("sec-fetch-site", "none") in {"none", "same-origin"}
    else:
        ours = urlsplit(origin).netloc == headers.get("host")
        ours = ours or origin in {policy.public_url, *policy.allowed_origins}
    if not ours:
        raise NotAllowed("A page of another site cannot sign people in or out.")


SIGN_UPS = Limit(2, 300, "address")
ATTEMPTS = Limit(15, 300, "address")

operations = [
    Operation(
        method="POST",
        path="/auth/register",
        handler=register,
        body=Registration,
        returns=SignedIn,
        status=201,
        problems=(UserExists, NotAllowed, TooMany, Unavailable),
        limit=ATTEMPTS,
        tag="auth",
    ),
    Operation(
        method="POST",
        path="/auth/login",
        handler=login,
        body=Login,
        returns=SignedIn,
        problems=(WrongCredentials, NotAllowed, TooMany, Unavailable),
        limit=ATTEMPTS,
        tag="auth",
    ),
    Operation(
        method="POST",
        path="/auth/refresh",
        handler=refresh,
        returns=SignedIn,
        problems=(SessionEnded, NotAllowed),
        tag="auth",
    ),
    Operation(
        method="POST",
        path="/auth/logout",
        handler=logout,
        status=204,
        problems=(NotAllowed,),
        tag="auth",
    ),
    Operation(
        method="GET",
        path="/auth/me",
        handler=me,
        access="user",
        returns=Me,
        problems=(SignInFirst,),
        tag="auth",
    ),
]
