"""What people do with their own accounts: their sign-ins, their password, and leaving."""

from datetime import datetime, timedelta
from uuid import UUID

from server import users
from server.auth import actions, letters, one_time, passwords, store
from server.auth.model import SignInAgain, SignInSeen, SignInsSeen, WrongCredentials
from server.kernel.database import Db
from server.kernel.problems import NotFound, SignInFirst
from server.kernel.services import Policy
from server.kernel.viewer import Viewer
from server.users import Credentials

# How fresh a sign-in is that stands for a password which somebody does not have.
RECENT = timedelta(minutes=10)
MOST_LISTED = 100


async def sign_ins(db: Db, viewer: Viewer, current: UUID) -> SignInsSeen:
    """Read the viewer's own sign-ins, the last used first."""
    found = await store.list_sign_ins(db, viewer.id, MOST_LISTED) if viewer.id else []
    return SignInsSeen(
        [
            SignInSeen(
                id=each.family,
                user_agent=each.user_agent,
                created_at=each.created_at,
                last_used_at=each.last_used_at,
                current=each.family == current,
            )
            for each in found
        ]
    )


async def end_sign_in(db: Db, viewer: Viewer, family: UUID, now: datetime) -> None:
    """End one of the viewer's own sign-ins.

    Raises:
        NotFound: the viewer has no such sign-in, or it has ended.

    """
    found = await store.sign_in(db, family)
    if found is None or found.user_id != viewer.id:
        raise NotFound("You have no such sign-in.")
    await actions.end(db, family, now)


async def confirm(db: Db, viewer: Viewer, family: UUID, now: datetime) -> tuple[Credentials, bool]:
    """Read what a person's word is compared with, and whether they signed in just now.

    Raises:
        SignInFirst: they are not known any more.

    """
    known = await users.credentials_of(db, viewer.id) if viewer.id else None
    if known is None or known.user.state not in actions.MAY_SIGN_IN:
        raise SignInFirst
    begun = await store.sign_in(db, family)
    return known, begun is not None and now - begun.created_at < RECENT


async def check_confirmation(known: Credentials, password: str, *, recent: bool) -> None:
    """Let somebody do what only the owner of an account may.

    Raises:
        WrongCredentials: the password is wrong.
        SignInAgain: there is no password, and the sign-in is not of just now.

    """
    if known.password_hash is None:
        if not recent:
            raise SignInAgain
        return
    verdict = await passwords.verify(password, known.password_hash)
    if not verdict.right:
        raise WrongCredentials


async def change_password(
    db: Db, policy: Policy, known: Credentials, password_hash: str, family: UUID, now: datetime
) -> list[UUID]:
    """Give a person another password; every other sign-in of theirs ends, which is said.

    Raises:
        WrongCredentials: it was changed meanwhile.

    """
    await users.hold(db, known.user.id)
    current = await users.credentials_of(db, known.user.id)
    if current is None or current.password_hash != known.password_hash:
        raise WrongCredentials
    await users.set_password_hash(db, known.user.id, password_hash)
    await one_time.use_up(db, known.user.id, now, "reset_password")
    await letters.tell(db, policy, current.user, "password_changed", now)
    return await actions.end_all(db, known.user.id, now, but_for=family)


async def leave(db: Db, known: Credentials, now: datetime) -> list[UUID]:
    """Have an account deleted: at once for everybody else, for good when the grace is over.

    Says which sign-ins ended with it.
    """
    await users.leave(db, known.user.id, now)
    await one_time.use_up(db, known.user.id, now)
    return await actions.end_all(db, known.user.id, now)


async def forget_person(db: Db, user_id: UUID) -> None:
    """Forget whom other houses know an erased person as, and every trace of where they were."""
    await one_time.unlink(db, user_id)
    await one_time.forget_all(db, user_id)
    await store.forget_person(db, user_id)
