"""The endpoints of signing up, in and out."""

from server import users
from server.auth import actions, cookies, letters, tokens
from server.auth.model import (
    Login,
    Me,
    Registration,
    SessionEnded,
    SignedIn,
    Ways,
    WrongCredentials,
)
from server.auth.outdated import tell_ended
from server.kernel.endpoint import Call, Limit, Nothing, Operation
from server.kernel.limits import admit
from server.kernel.problems import NotAllowed, SignInFirst, TooMany, Unavailable
from server.users import UserExists


async def register(call: Call[Registration, Nothing]) -> SignedIn:
    """Make an account and sign in to it."""
    services = call.services
    cookies.check_origin(call)
    password_hash = await actions.prepare(call.body)
    async with services.write() as db:
        user = await actions.register(db, call.viewer, call.body, password_hash)
        # Accounts are counted, not attempts: whoever picks a taken name may pick another.
        await admit(services, "signup", call.client, SIGN_UPS)
        now = services.clock.now()
        session = await actions.open_session(
            db, services.policy, user, now, user_agent=cookies.user_agent(call)
        )
        await letters.ask_to_verify(db, services.policy, user, now)
    return cookies.signed_in(call, session)


async def login(call: Call[Login, Nothing]) -> SignedIn:
    """Sign in by username or by e-mail address."""
    services = call.services
    cookies.check_origin(call)
    async with services.database.read() as db:
        found = await users.credentials(db, call.body.login)
    new_hash = await actions.check_password(found, call.body.password)
    if found is None:
        raise WrongCredentials
    async with services.write() as db:
        admission = actions.Admission(cookies.user_agent(call), new_hash, call.body.restore)
        session = await actions.admit(db, services.policy, found, services.clock.now(), admission)
    return cookies.signed_in(call, session)


async def refresh(call: Call[Nothing, Nothing]) -> SignedIn:
    """Exchange the refresh cookie for the next one and a new access token."""
    services = call.services
    cookies.check_origin(call)
    given = call.request.cookies.get(tokens.REFRESH_COOKIE, "")
    async with services.write() as db:
        session = await actions.refresh(db, services.policy, given, services.clock.now())
    if session is None:
        ended = SessionEnded()
        # By this cookie the page knows that there is a session to renew.
        ended.headers["set-cookie"] = cookies.taken(services.policy, tokens.CSRF_COOKIE)
        raise ended
    return cookies.signed_in(call, session)


async def logout(call: Call[Nothing, Nothing]) -> None:
    """End the session and take its cookies back."""
    services = call.services
    cookies.check_origin(call)
    now = services.clock.now()
    async with services.write() as db:
        ended = await actions.sign_out(
            db,
            now,
            refresh_token=call.request.cookies.get(tokens.REFRESH_COOKIE, ""),
            family=tokens.family_of(services.policy, call.request, now),
        )
    await tell_ended(services, ended)
    cookies.take_back(call)


async def ways(call: Call[Nothing, Nothing]) -> Ways:
    """Say by what people can sign in here."""
    return Ways(password=True, google=call.services.policy.google is not None)


async def me(call: Call[Nothing, Nothing]) -> Me:
    """Give the account of whoever asks."""
    async with call.services.database.read() as db:
        return await actions.me(db, call.viewer)


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
        path="/auth/ways",
        handler=ways,
        returns=Ways,
        public=True,
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
