"""What people's accounts tell."""

from typing import ClassVar
from uuid import UUID

from server.kernel.outbox import Event


class AuthorityChanged(Event, frozen=True):
    """A person's role or state is another: what their access tokens say of them is outdated."""

    topic: ClassVar[str] = "user.authority_changed"

    user_id: UUID


class UserDeleted(Event, frozen=True):
    """A person asked to be deleted: from now on nobody sees them, until they come back."""

    topic: ClassVar[str] = "user.deleted"

    user_id: UUID


class UserRestored(Event, frozen=True):
    """A person who was being deleted came back in time."""

    topic: ClassVar[str] = "user.restored"

    user_id: UUID


class UserErased(Event, frozen=True):
    """The time to come back is over: what a domain still holds of the person goes now."""

    topic: ClassVar[str] = "user.erased"

    user_id: UUID
