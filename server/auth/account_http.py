"""The endpoints of one's own account: letters, password, address, sign-ins, leaving."""

from typing import Any
from uuid import UUID

from server.auth import account, actions, cookies, letters, passwords, tokens
from server.auth.events import PasswordForgotten
from server.auth.model import (
    Address,
    ChangeEmail,
    ChangePassword,
    Leave,
    Link,
    LinkInvalid,
    Reset,
    SignInAgain,
    SignInsSeen,
    Which,
    WrongCredentials,
)
from server.auth.outdated import tell_ended
from server.kernel import outbox
from server.kernel.endpoint import Call, Limit, Nothing, Operation
from server.kernel.ids import new_id
from server.kernel.problems import Malformed, NotFound, SignInFirst, TooMany, Unavailable
from server.users import Credentials, check_email


async def forgot_password(call: Call[Address, Nothing]) -> None:
    """Have a link to choose a new password sent to an address.

    The answer is the same, and takes as long, whether anybody has that address or not.
    """
    cookies.check_origin(call)
    email = check_email(call.body.email)
    async with call.services.write() as db:
        await outbox.emit(db, PasswordForgotten(email), key=new_id())


async def reset_password(call: Call[Reset, Nothing]) -> None:
    """Choose a new password with the link that came; all sign-ins end."""
    cookies.check_origin(call)
    services = call.services
    password_hash = await passwords.hash_password(call.body.password)
    async with services.write() as db:
        now = services.clock.now()
        ended = await letters.reset(db, services.policy, call.body.token, password_hash, now)
    await tell_ended(services, ended)
    cookies.take_back(call)


async def verify_email(call: Call[Link, Nothing]) -> None:
    """Confirm an address with the link that came to it."""
    services = call.services
    async with services.write() as db:
        await letters.verify(db, services.policy, call.body.token, services.clock.now())


async def resend(call: Call[Nothing, Nothing]) -> None:
    """Have the link that confirms one's address sent again."""
    services = call.services
    known, _ = await _known(call)
    if known.user.email_verified_at is None:
        async with services.write() as db:
            await letters.ask_to_verify(db, services.policy, known.user, services.clock.now())


async def change_email(call: Call[ChangeEmail, Nothing]) -> None:
    """Have a link sent to another address, with which it becomes one's own.

    The answer is the same when somebody else has that address; nothing is sent then.
    """
    services = call.services
    email = check_email(call.body.email)
    known = await _confirmed(call, call.body.password)
    async with services.write() as db:
        await letters.ask_to_verify(
            db, services.policy, known.user, services.clock.now(), email=email
        )


async def change_password(call: Call[ChangePassword, Nothing]) -> None:
    """Have another password from now on; one's other sign-ins end."""
    services = call.services
    known = await _confirmed(call, call.body.password)
    password_hash = await passwords.hash_password(call.body.new_password)
    async with services.write() as db:
        now = services.clock.now()
        ended = await account.change_password(
            db, services.policy, known, password_hash, _family(call), now
        )
    await tell_ended(services, ended)


async def sign_ins(call: Call[Nothing, Nothing]) -> SignInsSeen:
    """List where one is signed in."""
    async with call.services.database.read() as db:
        return await account.sign_ins(db, call.viewer, _family(call))


async def end_sign_in(call: Call[Nothing, Nothing]) -> None:
    """End one of one's sign-ins; its open screens close."""
    services = call.services
    async with services.write() as db:
        await account.end_sign_in(db, call.viewer, call.id(), services.clock.now())
    await tell_ended(services, [call.id()])


async def end_sign_ins(call: Call[Nothing, Which]) -> None:
    """End all of one's sign-ins, or all but this one."""
    services = call.services
    known, _ = await _known(call)
    family = _family(call) if call.query.keep_current else None
    async with services.write() as db:
        ended = await actions.end_all(db, known.user.id, services.clock.now(), but_for=family)
    await tell_ended(services, ended)
    if family is None:
        cookies.take_back(call)


async def leave(call: Call[Leave, Nothing]) -> None:
    """Have one's account deleted: hidden at once, erased when the time to come back is over.

    Until then signing in with `restore` undoes it.
    """
    services = call.services
    known = await _confirmed(call, call.body.password)
    async with services.write() as db:
        ended = await account.leave(db, known, services.clock.now())
    await tell_ended(services, ended)
    cookies.take_back(call)


async def _known(call: Call[Any, Any]) -> tuple[Credentials, bool]:
    services = call.services
    async with services.database.read() as db:
        return await account.confirm(db, call.viewer, _family(call), services.clock.now())


async def _confirmed(call: Call[Any, Any], password: str) -> Credentials:
    """Compare the password between transactions, since it takes its time."""
    known, recent = await _known(call)
    await account.check_confirmation(known, password, recent=recent)
    return known


def _family(call: Call[Any, Any]) -> UUID:
    return tokens.claims_of(call.services.policy, call.request, call.services.clock.now()).sid


ATTEMPTS = Limit(15, 300, "address")
LETTERS = Limit(3, 300, "address")
LETTERS_OF_ONE = Limit(3, 300)
CONFIRMATIONS = Limit(15, 300)
_CONFIRMED = (WrongCredentials, SignInAgain, SignInFirst, TooMany, Unavailable)

operations = [
    Operation(
        method="POST",
        path="/auth/password/forgot",
        handler=forgot_password,
        body=Address,
        status=204,
        problems=(TooMany, Malformed),
        limit=LETTERS,
        tag="auth",
    ),
    Operation(
        method="POST",
        path="/auth/password/reset",
        handler=reset_password,
        body=Reset,
        status=204,
        problems=(LinkInvalid, TooMany, Unavailable),
        limit=ATTEMPTS,
        tag="auth",
    ),
    Operation(
        method="PUT",
        path="/auth/password",
        handler=change_password,
        access="user",
        body=ChangePassword,
        status=204,
        problems=_CONFIRMED,
        limit=CONFIRMATIONS,
        tag="auth",
    ),
    Operation(
        method="POST",
        path="/auth/email/verify",
        handler=verify_email,
        body=Link,
        status=204,
        problems=(LinkInvalid,),
        limit=ATTEMPTS,
        tag="auth",
    ),
    Operation(
        method="POST",
        path="/auth/email/resend",
        handler=resend,
        access="user",
        status=204,
        problems=(TooMany,),
        limit=LETTERS_OF_ONE,
        tag="auth",
    ),
    Operation(
        method="PUT",
        path="/auth/email",
        handler=change_email,
        access="user",
        body=ChangeEmail,
        status=204,
        problems=(*_CONFIRMED, Malformed),
        limit=CONFIRMATIONS,
        tag="auth",
    ),
    Operation(
        method="GET",
        path="/auth/sessions",
        handler=sign_ins,
        access="user",
        returns=SignInsSeen,
        tag="auth",
    ),
    Operation(
        method="DELETE",
        path="/auth/sessions",
        handler=end_sign_ins,
        access="user",
        query=Which,
        status=204,
        tag="auth",
    ),
    Operation(
        method="DELETE",
        path="/auth/sessions/{id}",
        handler=end_sign_in,
        access="user",
        status=204,
        problems=(NotFound,),
        tag="auth",
    ),
    Operation(
        method="DELETE",
        path="/auth/me",
        handler=leave,
        access="user",
        body=Leave,
        status=204,
        problems=_CONFIRMED,
        limit=CONFIRMATIONS,
        tag="auth",
    ),
]
