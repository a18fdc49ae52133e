"""What signing in takes and gives, and how it is refused."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from server.kernel.problems import Problem, SignInFirst
from server.users import GrantedRole, User

# Long enough for any phrase, short enough that hashing one is never work worth causing.
Password = Annotated[str, Meta(min_length=8, max_length=128)]


class WrongCredentials(Problem):
    """That name and that password do not belong together."""

    status = 401


class SessionEnded(SignInFirst):
    """The session has ended; sign in again."""


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


class Me(Struct, frozen=True):
    """A person as they themselves see it."""

    id: UUID
    username: str
    email: str
    display_name: str
    role: GrantedRole

    @classmethod
    def of(cls, user: User) -> "Me":
        """Leave out what is the house's own."""
        return cls(user.id, user.username, user.email, user.display_name, user.role)


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
