"""Signing up, in and out, and keeping a session going.

Passwords are compared between transactions, not in one: a line of people who sign in shall not
hold the connections that everybody else needs.
"""

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from server import users
from server.auth import passwords, store, tokens
from server.auth.events import SignInEnded
from server.auth.model import (
    AccountLeaving,
    Me,
    Registration,
    Session,
    WrongCredentials,
)
from server.kernel import outbox
from server.kernel.database import Db
from server.kernel.ids import new_id
from server.kernel.notice import NoticeGiven
from server.kernel.problems import NotAllowed, SignInFirst
from server.kernel.services import Policy
from server.kernel.viewer import Viewer
from server.users import Credentials, NewUser, User

MAY_SIGN_IN = frozenset({"active", "shadowbanned"})
# An answer that was lost on its way is asked for again soon.
GRACE = timedelta(seconds=30)
MOST_USER_AGENT = 256
_KEPT_AFTER_END = timedelta(days=1)


class Admission(Struct, frozen=True):
    """What a sign-in brings along besides the password."""

    user_agent: str = ""
    new_hash: str | None = None
    restore: bool = False


async def prepare(registration: Registration) -> str:
    """Give the hash of the chosen password, if name and address could be used at all.

    Raises:
        Malformed: the name or the address has no form that is taken.
        Unavailable: too many people are signing in just now.

    """
    users.check_username(registration.username)
    users.check_email(registration.email)
    return await passwords.hash_password(registration.password)


async def register(db: Db, viewer: Viewer, registration: Registration, password_hash: str) -> User:
    """Take somebody in under the name, the address and the hash of the password they chose.

    Raises:
        Malformed: a name or the address cannot be used.
        UserExists: the name or the address is in use.

    """
    return await users.create(
        db,
        viewer,
        NewUser(
            username=registration.username,
            email=registration.email,
            display_name=registration.display_name,
            password_hash=password_hash,
        ),
    )


async def check_password(found: Credentials | None, password: str) -> str | None:
    """Compare what was given with what is known; gives a new hash when the old one is outdated.

    Raises:
        WrongCredentials: they do not fit, or nobody is known by this name; it takes as long.
        NotAllowed: they fit, but the account is suspended.

    """
    verdict = await passwords.verify(password, found.password_hash if found else None)
    if found is None or not verdict.right:
        raise WrongCredentials
    if found.user.state not in MAY_SIGN_IN | {"deleted"}:
        raise NotAllowed("This account is suspended.")
    return await passwords.hash_password(password) if verdict.outdated else None


async def admit(
    db: Db, policy: Policy, found: Credentials, now: datetime, admission: Admission
) -> Session:
    """Begin a session for somebody whose password was right a moment ago.

    Raises:
        WrongCredentials: it was changed meanwhile.
        AccountLeaving: the account is being deleted, and that is not to be undone.

    """
    # Held, so that a change of the password either comes first or finds this session to end.
    await users.hold(db, found.user.id)
    current = await users.credentials_of(db, found.user.id)
    if current is None or current.password_hash != found.password_hash:
        raise WrongCredentials
    if current.user.state == "deleted":
        if not admission.restore:
            raise AccountLeaving
        await users.restore(db, current.user.id)
    if admission.new_hash is not None:
        await users.set_password_hash(db, found.user.id, admission.new_hash)
    return await open_session(db, policy, found.user, now, user_agent=admission.user_agent)


async def open_session(
    db: Db, policy: Policy, user: User, now: datetime, *, user_agent: str = ""
) -> Session:
    """Begin a session for somebody who has shown who they are."""
    family = new_id()
    agent = "".join(c for c in user_agent if c.isprintable())[:MOST_USER_AGENT]
    if await store.is_new_agent(db, user.id, agent):
        said = f"Somebody signed in to your account with a browser that is new to us: {agent}"
        notice = NoticeGiven(kind="security", target_id=family, text=said, user_id=user.id)
        await outbox.emit(db, notice, key=user.id)
    await store.add_sign_in(db, family, user.id, agent, now)
    return await _with_token(db, policy, user, family, now)


async def refresh(db: Db, policy: Policy, refresh_token: str, now: datetime) -> Session | None:
    """Exchange a refresh token for the next one; None when the session has ended.

    A token that comes a second time was stolen, or its copy was: its whole family ends. That is
    why refusal is an answer here and no exception, which would undo the ending. Only when its
    answer was lost may a token come again: within `GRACE`, and while nothing that it was
    exchanged for has been used. Of what it was then exchanged for one can go on; the rest are
    used up with it, so that two who go on from one token still find each other out.
    """
    digest = tokens.digest_of(refresh_token)
    token = await store.hold(db, digest)
    if token is None or token.expires_at <= now:
        return None
    if token.revoked_at is not None or not await _is_due(db, token, now):
        await end(db, token.family, now)
        return None
    if token.used_at is None:
        await store.use(db, token, digest, now)
    user = (await users.by_ids(db, [token.user_id])).get(token.user_id)
    if user is None or user.state not in MAY_SIGN_IN:
        await end(db, token.family, now)
        return None
    await store.touch_sign_in(db, token.family, now)
    return await _with_token(db, policy, user, token.family, now)


async def sign_out(
    db: Db, now: datetime, *, refresh_token: str = "", family: UUID | None
) -> list[UUID]:
    """End the session of a refresh token, and of an access token's family; says which ended."""
    token = await store.find(db, tokens.digest_of(refresh_token)) if refresh_token else None
    found = {family, token.family if token else None}
    ending = sorted(each for each in found if each is not None)
    for each in ending:
        await end(db, each, now)
    return ending


async def end_all(
    db: Db, user_id: UUID, now: datetime, *, but_for: UUID | None = None
) -> list[UUID]:
    """End every sign-in of a person, but perhaps for one; says which, for their sockets to end."""
    ending = [each for each in await store.families(db, user_id) if each != but_for]
    for family in ending:
        await end(db, family, now)
    return ending


async def has_ended(db: Db, family: UUID) -> bool:
    """Tell whether a sign-in was ended, though its access token may be good for a while."""
    return await store.has_ended(db, family)


async def me(db: Db, viewer: Viewer) -> Me:
    """Give the viewer's own account.

    Raises:
        SignInFirst: the viewer is a visitor, or no longer exists.

    """
    found = await users.by_ids(db, [viewer.id]) if viewer.id else {}
    for user in found.values():
        return Me.of(user)
    raise SignInFirst


async def forget_ended(db: Db, now: datetime) -> int:
    """Remove refresh tokens that ended a while ago; says how many."""
    return await store.forget(db, now - _KEPT_AFTER_END)


async def _is_due(db: Db, token: store.Token, now: datetime) -> bool:
    if token.used_at is None:
        return True
    return now - token.used_at < GRACE and not await store.was_followed(db, token)


async def end(db: Db, family: UUID, now: datetime) -> None:
    """End a sign-in, if it goes on, and tell of it."""
    if await store.end_family(db, family, now):
        await outbox.emit(db, SignInEnded(family), key=family)


async def _with_token(db: Db, policy: Policy, user: User, family: UUID, now: datetime) -> Session:
    token = tokens.new_refresh_token()
    await store.add(
        db,
        family=family,
        user_id=user.id,
        digest=tokens.digest_of(token),
        expires_at=now + timedelta(seconds=policy.refresh_token_seconds),
    )
    return Session(user=user, family=family, refresh_token=token)
