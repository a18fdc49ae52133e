"""What signing in and out tells."""

from typing import ClassVar
from uuid import UUID

from server.kernel.outbox import Event


class SignInEnded(Event, frozen=True):
    """A sign-in was ended, by its owner or because one of its tokens was stolen."""

    topic: ClassVar[str] = "sign_in.ended"

    family: UUID
