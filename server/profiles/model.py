"""A person on the wire, and what they may change."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from server.kernel.problems import Conflict, NotFound
from server.users import AccountSettings, Audience, GrantedRole, State

ExportState: TypeAlias = Literal["waiting", "ready"]


class NoSuchProfile(NotFound):
    """There is nobody of that name, or they cannot be seen."""


class NotReady(Conflict):
    """The archive is still being made; ask again in a while."""


class Relations(Struct, frozen=True):
    """How the viewer stands to a person."""

    following: bool
    followed_by: bool
    blocking: bool
    muting: bool


class Profile(Struct, frozen=True, omit_defaults=True):
    """A person as others see them."""

    id: UUID
    username: str
    display_name: str
    role: GrantedRole
    created_at: datetime
    bio: str
    links: tuple[str, ...]
    follower_count: int
    following_count: int
    post_count: int
    avatar_url: str | None = None
    # Only for people who are signed in, and not of themselves.
    viewer: Relations | None = None


class ProfileEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """What of one's profile shall be another; what is not given stays. An avatar may be null."""

    display_name: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    bio: Annotated[str, Meta(max_length=2000)] | UnsetType = UNSET
    links: (
        Annotated[list[Annotated[str, Meta(max_length=400)]], Meta(max_length=20)] | UnsetType
    ) = UNSET
    avatar: Annotated[str, Meta(max_length=200)] | UnsetType | None = UNSET


class SettingsEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """What of one's settings shall be another; what is not given stays."""

    private_follower_lists: bool | UnsetType = UNSET
    who_may_comment: Audience | UnsetType = UNSET
    who_may_mention: Audience | UnsetType = UNSET
    public_likes: bool | UnsetType = UNSET


class SettingsShown(Struct, frozen=True):
    """One's settings, all of them."""

    private_follower_lists: bool
    who_may_comment: Audience
    who_may_mention: Audience
    public_likes: bool

    @classmethod
    def of(cls, settings: AccountSettings) -> "SettingsShown":
        """Say the defaults too."""
        return cls(
            settings.private_follower_lists,
            settings.who_may_comment,
            settings.who_may_mention,
            settings.public_likes,
        )


class ExportShown(Struct, frozen=True, omit_defaults=True):
    """A copy of one's data that one asked for."""

    id: UUID
    state: ExportState
    asked_at: datetime
    size: int | None = None


class FindPeople(Struct, frozen=True):
    """Whom an admin looks for: the beginning of a name, or an address."""

    q: Annotated[str, Meta(max_length=254)] = ""
    cursor: Annotated[str, Meta(max_length=200)] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class PersonFound(Struct, frozen=True):
    """A person as an admin sees them."""

    id: UUID
    username: str
    display_name: str
    email: str
    email_verified: bool
    role: GrantedRole
    state: State
    created_at: datetime


class PeopleFound(Struct, frozen=True):
    """Some people, by username."""

    items: list[PersonFound]
    cursor: str | None
    next_cursor: str | None
    has_more: bool


class NewRole(Struct, frozen=True):
    """What somebody may do from now on."""

    role: GrantedRole
