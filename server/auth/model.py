"""What signing in takes and gives, and how it is refused."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from server.kernel.problems import NotAllowed, Problem, SignInFirst
from server.users import GrantedRole, User

# Long enough for any phrase, short enough that hashing one is never work worth causing.
Password = Annotated[str, Meta(min_length=8, max_length=128)]


class WrongCredentials(Problem):
    """That name and that password do not belong together."""

    status = 401


class SessionEnded(SignInFirst):
    """The session has ended; sign in again."""


class LinkInvalid(Problem):
    """The link was used already, has ended, or was never ours; ask for another."""

    status = 410


class SignInAgain(NotAllowed):
    """Too long has passed since you signed in to do this; sign in again first."""


class AccountLeaving(NotAllowed):
    """The account is being deleted; sign in with `restore` to keep it."""


class AddressNotShown(NotAllowed):
    """It is not known that the address is yours; confirm it, then sign in this way again."""


class Registration(Struct, frozen=True):
    """What somebody gives to become a user."""

    username: str
    email: str
    password: Password
    display_name: str | None = None


class Login(Struct, frozen=True):
    """What somebody gives to sign in; `login` is a username or an address."""

    login: Annotated[str, Meta(min_length=1, max_length=254)]
    password: Annotated[str, Meta(min_length=1, max_length=128)]
    # Keep an account that is being deleted.
    restore: bool = False


class Address(Struct, frozen=True):
    """An e-mail address that a letter is wanted for."""

    email: Annotated[str, Meta(min_length=3, max_length=254)]


class Link(Struct, frozen=True):
    """The token of a link that came in a letter."""

    token: Annotated[str, Meta(min_length=20, max_length=64)]


class Reset(Struct, frozen=True):
    """The token of a link that came in a letter, and the password to have from now on."""

    token: Annotated[str, Meta(min_length=20, max_length=64)]
    password: Password


# Whoever signs in elsewhere has none; a sign-in that is fresh serves instead.
Confirmation = Annotated[str, Meta(max_length=128)]


class ChangePassword(Struct, frozen=True):
    """The password that somebody has, and the one to have from now on."""

    new_password: Password
    password: Confirmation = ""


class ChangeEmail(Struct, frozen=True):
    """The address to have from now on; it becomes theirs with the link that is sent to it."""

    email: Annotated[str, Meta(min_length=3, max_length=254)]
    password: Confirmation = ""


class Leave(Struct, frozen=True):
    """That somebody really wants to go."""

    password: Confirmation = ""


class SignInSeen(Struct, frozen=True):
    """One of the viewer's own sign-ins."""

    id: UUID
    user_agent: str
    created_at: datetime
    last_used_at: datetime
    current: bool


class SignInsSeen(Struct, frozen=True):
    """The viewer's own sign-ins, the last used first."""

    items: list[SignInSeen]


class Which(Struct, frozen=True):
    """Which of one's sign-ins are ended: all, or all but the one that asks."""

    keep_current: bool = False


class Ways(Struct, frozen=True):
    """By what people can sign in here."""

    password: bool
    google: bool


class Me(Struct, frozen=True):
    """A person as they themselves see it."""

    id: UUID
    username: str
    email: str
    display_name: str
    role: GrantedRole
    email_verified: bool = False

    @classmethod
    def of(cls, user: User) -> "Me":
        """Leave out what is the house's own."""
        return cls(
            id=user.id,
            username=user.username,
            email=user.email,
            display_name=user.display_name,
            role=user.role,
            email_verified=user.email_verified_at is not None,
        )


class SignedIn(Struct, frozen=True):
    """The answer to signing in: who it is, and the token for API and socket."""

    user: Me
    access_token: str
    expires_in: int


class Session(Struct, frozen=True):
    """A sign-in that goes on: its family of refresh tokens, and the newest of them."""

    user: User
    family: UUID
    refresh_token: str
