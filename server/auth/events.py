"""What signing in and out tells."""

from typing import ClassVar
from uuid import UUID

from server.kernel.outbox import Event


class SignInEnded(Event, frozen=True):
    """A sign-in was ended, by its owner or because one of its tokens was stolen."""

    topic: ClassVar[str] = "sign_in.ended"

    family: UUID


class LetterAsked(Event, frozen=True):
    """A letter with a one-time link is to be sent; the link itself is not told."""

    topic: ClassVar[str] = "letter.asked"

    token_id: UUID


class PasswordForgotten(Event, frozen=True):
    """Somebody says that a password was forgotten; whether anybody has that address is not told."""

    topic: ClassVar[str] = "password.forgotten"

    email: str
