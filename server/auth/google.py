"""Who somebody is here that another house vouches for."""

import re
import secrets
from datetime import datetime

from server import users
from server.auth import actions, one_time
from server.auth.model import AccountLeaving, AddressNotShown
from server.auth.oidc import Identity
from server.kernel.database import Db
from server.kernel.problems import Conflict, Malformed, NotAllowed
from server.kernel.viewer import VISITOR
from server.users import NewUser, User, UserExists

_TRIES = 5
_LONGEST = 14
_SHORTEST = 3


async def known_as(db: Db, issuer: str, identity: Identity, now: datetime) -> User:
    """Find or make the account of a person whom another house vouches for.

    A person is known by the subject that the issuer gave them. The first time an account is found
    by its address, if both sides have shown that it reaches them; else one is made.

    Raises:
        AddressNotShown: the issuer or we do not know that the address is theirs.
        NotAllowed: the account is suspended.
        AccountLeaving: the account is being deleted.

    """
    owner = await one_time.owner_of(db, issuer, identity.sub)
    if owner is not None:
        return _admitted((await users.by_ids(db, [owner]))[owner])
    if not (identity.email and identity.email_verified):
        raise AddressNotShown
    user = await users.by_email(db, identity.email)
    if user is not None and user.email_verified_at is None:
        # Whoever signed up with it may not be who it belongs to: their password would stay good.
        raise AddressNotShown
    if user is None:
        user = await _make(db, identity)
        await users.confirm_email(db, user.id, identity.email, now)
    admitted = _admitted(user)
    await one_time.link(db, issuer, identity.sub, user.id)
    return admitted


def _admitted(user: User) -> User:
    if user.state == "deleted":
        raise AccountLeaving
    if user.state not in actions.MAY_SIGN_IN:
        raise NotAllowed("This account is suspended.")
    return user


async def _make(db: Db, identity: Identity) -> User:
    for name in _names(identity):
        display = identity.name or None
        for shown in (display, None):
            new = NewUser(
                username=name, email=identity.email, password_hash=None, display_name=shown
            )
            try:
                return await users.create(db, VISITOR, new)
            except UserExists:
                break
            except Malformed:
                # A display name that we do not take; the username serves as one.
                continue
    raise Conflict("No name could be found for the account; register with one of your own.")


def _names(identity: Identity) -> list[str]:
    """Usernames to try, from the address."""
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", identity.email.partition("@")[0]).strip("_")
    begun = plain[:_LONGEST] if len(plain) >= _SHORTEST else f"reader_{plain}"[:_LONGEST]
    return [begun, *(f"{begun}_{secrets.randbelow(10_000):04}" for _ in range(_TRIES))]
