"""Links in letters: to confirm an address, and to choose a new password.

A link carries a one-time token. The token is made from its row's id and the house's secret, so a
letter that is sent again carries the same; the table holds its digest only. It stands in the
page's fragment, which no server and no log sees.
"""

from datetime import datetime, timedelta
from uuid import UUID

from server import users
from server.auth import actions, one_time, tokens
from server.auth.events import LetterAsked
from server.auth.model import LinkInvalid
from server.auth.one_time import OneTime, Purpose
from server.kernel import outbox
from server.kernel.database import Db
from server.kernel.ids import new_id
from server.kernel.mail import Letter
from server.kernel.services import Policy
from server.users import User

LIFETIMES: dict[Purpose, timedelta] = {
    "verify_email": timedelta(hours=24),
    "reset_password": timedelta(minutes=30),
    "password_changed": timedelta(days=7),
    "email_changed": timedelta(days=7),
}
# However many doors ask, and from however many places (feed.md 2.5).
MOST_LETTERS = 3
LETTERS_WITHIN = timedelta(minutes=5)
_KEPT_AFTER_END = timedelta(days=1)


async def ask_to_verify(
    db: Db, policy: Policy, user: User, now: datetime, *, email: str | None = None
) -> None:
    """Have a letter sent to a person's address, or to the one that shall become theirs."""
    await _ask(db, policy, user, "verify_email", email or user.email, now)


async def forgot(db: Db, policy: Policy, email: str, now: datetime) -> None:
    """Have a letter sent to whoever has this address, if anybody has."""
    user = await users.by_email(db, email)
    if user is not None and user.state in actions.MAY_SIGN_IN:
        await _ask(db, policy, user, "reset_password", user.email, now)


async def tell(db: Db, policy: Policy, user: User, what: Purpose, now: datetime) -> None:
    """Have a person told at the address that was theirs until now: it may not have been them."""
    await _send(db, policy, user, what, user.email, now)


async def verify(db: Db, policy: Policy, token: str, now: datetime) -> None:
    """Take a token for the proof that its address reaches its owner.

    Raises:
        LinkInvalid: it was used, has ended, or is not ours; or somebody else has that address now.

    """
    found = await _good(db, token, "verify_email", now)
    user = (await users.by_ids(db, [found.user_id]))[found.user_id]
    if not await users.confirm_email(db, user.id, found.email, now):
        raise LinkInvalid
    # With another address, what was sent to the old one opens nothing any more.
    moved = found.email.lower() != user.email.lower()
    await one_time.use_up(db, user.id, now, None if moved else "verify_email")
    if moved:
        await tell(db, policy, user, "email_changed", now)


async def reset(
    db: Db, policy: Policy, token: str, password_hash: str, now: datetime
) -> list[UUID]:
    """Give the owner of a token another password, and end all their sign-ins; says which.

    Raises:
        LinkInvalid: it was used, has ended, or is not ours.

    """
    found = await _good(db, token, "reset_password", now)
    await users.set_password_hash(db, found.user_id, password_hash)
    # Whoever reads the letter has shown that the address reaches them.
    await users.confirm_email(db, found.user_id, found.email, now)
    await one_time.use_up(db, found.user_id, now)
    user = (await users.by_ids(db, [found.user_id]))[found.user_id]
    await tell(db, policy, user, "password_changed", now)
    return await actions.end_all(db, found.user_id, now)


async def letter_of(db: Db, policy: Policy, token_id: UUID, now: datetime) -> Letter | None:
    """Write the letter of a token; None when it has left, or opens nothing any more."""
    found = await one_time.find(db, token_id)
    if found is None or found.sent_at is not None or not found.is_good(now):
        return None
    user = (await users.by_ids(db, [found.user_id])).get(found.user_id)
    holder = await users.by_email(db, found.email)
    if user is None:
        return None
    if found.purpose not in one_time.LINKS:
        return _notice(policy, user, found)
    if user.state not in actions.MAY_SIGN_IN:
        return None
    if holder is not None and holder.id != user.id:
        # Somebody else's address: they are not to be bothered, and the asker learns nothing.
        return None
    return _written(policy, user, found)


async def sent(db: Db, token_id: UUID, now: datetime) -> None:
    """Note that a letter has left."""
    await one_time.mark_sent(db, token_id, now)


async def unsent(db: Db, now: datetime, most: int) -> list[UUID]:
    """Read the tokens whose letters have not left: for the sweep, should a queue be lost."""
    return await one_time.unsent(db, now, most)


async def forget_ended(db: Db, now: datetime) -> None:
    """Remove tokens that ended a while ago."""
    await one_time.forget(db, now - _KEPT_AFTER_END)


async def _ask(
    db: Db, policy: Policy, user: User, purpose: Purpose, email: str, now: datetime
) -> None:
    if await one_time.asked_since(db, user.id, now - LETTERS_WITHIN) < MOST_LETTERS:
        await _send(db, policy, user, purpose, email, now)


async def _send(
    db: Db, policy: Policy, user: User, purpose: Purpose, email: str, now: datetime
) -> None:
    token = OneTime(
        id=new_id(),
        user_id=user.id,
        purpose=purpose,
        email=email,
        created_at=now,
        expires_at=now + LIFETIMES[purpose],
        sent_at=None,
        used_at=None,
    )
    text = tokens.one_time_token(policy, token.id)
    await one_time.add(db, token, tokens.digest_of(text))
    await outbox.emit(db, LetterAsked(token.id), key=user.id)


async def _good(db: Db, token: str, purpose: Purpose, now: datetime) -> OneTime:
    """Find the token of a link, by its digest: what is compared is not what was sent."""
    found = await one_time.hold(db, tokens.digest_of(token))
    if found is None or found.purpose != purpose or not found.is_good(now):
        raise LinkInvalid
    user = await users.hold(db, found.user_id)
    if user is None or user.state not in actions.MAY_SIGN_IN:
        raise LinkInvalid
    return found


def _notice(policy: Policy, user: User, token: OneTime) -> Letter:
    subject, told, otherwise = _WORDS[token.purpose]
    text = (
        f"Hello {user.display_name},\n\n{told}\n\n{token.created_at:%d %B %Y, %H:%M} UTC\n\n"
        f"{otherwise}\n\n{policy.page_url}/\n"
    )
    return Letter(token.email, subject, text)


def _written(policy: Policy, user: User, token: OneTime) -> Letter:
    secret = tokens.one_time_token(policy, token.id)
    link = f"{policy.page_url}/#{token.purpose.replace('_', '-')}={secret}"
    subject, asked, otherwise = _WORDS[token.purpose]
    text = (
        f"Hello {user.display_name},\n\n{asked}\n\n{link}\n\n"
        f"The link works once, and until {token.expires_at:%d %B %Y, %H:%M} UTC.\n\n{otherwise}\n"
    )
    return Letter(token.email, subject, text)


_WORDS: dict[Purpose, tuple[str, str, str]] = {
    "verify_email": (
        "Confirm your address",
        "open this link to confirm that this address is yours on Lumen:",
        "If you did not ask for it, you need do nothing.",
    ),
    "reset_password": (
        "Choose a new password",
        "open this link to choose a new password for Lumen:",
        "If you did not ask for it, you need do nothing: your password stays as it is.",
    ),
    "password_changed": (
        "Your password was changed",
        "the password of your account on Lumen was changed:",
        'If it was not you, ask for a link to choose another one, at "Sign in":',
    ),
    "email_changed": (
        "Your address was changed",
        "the address of your account on Lumen is another one, and letters go there now:",
        "If it was not you, somebody knows your password: tell whoever runs this server, at",
    ),
}
