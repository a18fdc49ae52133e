"""What a notification is, how those of a kind on one thing become one, and what people choose."""

import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypeAlias, get_args
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from server.display import AuthorRef
from server.kernel.problems import CursorInvalid
from server.kernel.signing import ForgedError, Signer

Kind: TypeAlias = Literal[
    "reply",
    "comment",
    "like",
    "mention",
    "follow",
    "repost",
    "quote",
    "poll_ended",
    "verdict",
    "security",
    "source_trouble",
    "media_trouble",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
# What can be taken back and done again; of all others each is news.
TAKEN_BACK: frozenset[Kind] = frozenset({"like", "repost", "follow"})
Digest: TypeAlias = Literal["off", "daily", "weekly"]

# So many actors are named; `actor_count` counts them all.
MOST_ACTORS = 8
EXCERPT_LENGTH = 140
PAGE = 20
MOST_OF_A_PAGE = 50
# Whoever missed more is given the newest page and told to start over.
MOST_MISSED = 100

_PAGE_PLACE = struct.Struct("!16sq16s")
_CHANGE = struct.Struct("!16sq")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Notice(Struct, frozen=True, kw_only=True):
    """That somebody, or the house, did something which concerns a person."""

    user_id: UUID
    kind: Kind
    # Without an actor it is the house that tells.
    actor_id: UUID | None = None
    # What it is about, and the item where it happened.
    target_id: UUID
    item_id: UUID | None = None
    comment_id: UUID | None = None
    excerpt: str = ""

    @property
    def group_key(self) -> str:
        """What unread notifications have in common that are shown as one."""
        return f"{self.kind}:{self.target_id}"


class Notification(Struct, frozen=True, kw_only=True):
    """A notification as its owner sees it."""

    id: UUID
    kind: Kind
    actors: list[AuthorRef]
    actor_count: int
    item_id: UUID | None
    target_id: UUID
    comment_id: UUID | None
    excerpt: str
    created_at: datetime
    updated_at: datetime
    seen: bool
    read: bool


class NotificationPush(Notification, frozen=True, kw_only=True):
    """A notification that was written or changed, how many are unread, and where that stands.

    `cursor` is what `ack` takes and what a join goes on from. It may come twice; of two with one
    id the later one counts.
    """

    unread_count: int
    unseen_count: int
    cursor: str


class NotificationPage(Struct, frozen=True):
    """A page of notifications, those first that changed last, and how many are unread."""

    items: list[Notification]
    cursor: str | None
    next_cursor: str | None
    has_more: bool
    unread_count: int
    unseen_count: int


class InboxJoin(Struct, frozen=True):
    """From where on a session wants to hear what it missed: the cursor of the last it had."""

    cursor: Annotated[str, Meta(max_length=120)] | None = None
    limit: Annotated[int, Meta(ge=1, le=MOST_OF_A_PAGE)] = PAGE


class Inbox(Struct, frozen=True, kw_only=True):
    """An inbox as a session joins it: the newest page, or what changed since the cursor it gave.

    With `reset` so much was missed that it is the newest page all the same. `gone` are those of
    which nothing is left. `next_cursor` is what `more` goes on from.
    """

    items: list[Notification]
    gone: list[UUID]
    reset: bool
    cursor: str
    next_cursor: str | None
    has_more: bool
    unread_count: int
    unseen_count: int


class PageQuery(Struct, frozen=True):
    """Which page of notifications."""

    cursor: Annotated[str, Meta(max_length=120)] | None = None
    limit: Annotated[int, Meta(ge=1, le=MOST_OF_A_PAGE)] = PAGE


class MarkRead(Struct, frozen=True):
    """What was read: everything, or everything that changed no later than one notification."""

    up_to: UUID | None = None


class Ack(Struct, frozen=True):
    """Up to where a session has everything: the cursor of the last that it was sent."""

    up_to: Annotated[str, Meta(max_length=120)]


class Missed(Struct, frozen=True, kw_only=True):
    """What an acknowledging session lacks, which is mostly nothing."""

    items: list[Notification]
    gone: list[UUID]
    reset: bool
    cursor: str
    unread_count: int
    unseen_count: int


class Unread(Struct, frozen=True):
    """How many notifications are unread, and how many were not seen."""

    unread_count: int
    unseen_count: int = 0


class ReadPush(Struct, frozen=True):
    """That notifications were read or seen, perhaps in another session."""

    up_to: UUID | None
    unread_count: int
    unseen_count: int


class GonePush(Struct, frozen=True):
    """That nothing is left of notifications: what they told of was taken back or removed."""

    ids: list[UUID]
    unread_count: int
    unseen_count: int
    cursor: str


class Choice(Struct, frozen=True):
    """By which ways a person is told of a kind."""

    in_app: bool = True
    push: bool = True
    mail: bool = True


class Preferences(Struct, frozen=True):
    """What a person is told of, by which ways, and how often by letter."""

    kinds: dict[Kind, Choice]
    digest: Digest


class ChoiceChange(Struct, frozen=True):
    """The ways of one kind that change."""

    in_app: bool | UnsetType = UNSET
    push: bool | UnsetType = UNSET
    mail: bool | UnsetType = UNSET


class PreferencesChange(Struct, frozen=True):
    """What changes; what is not named stays."""

    kinds: dict[Kind, ChoiceChange] = {}
    digest: Digest | UnsetType = UNSET


# A like is no reason to light up somebody's telephone.
_DEFAULTS: Mapping[Kind, Choice] = {
    "like": Choice(push=False),
    "repost": Choice(push=False),
    "poll_ended": Choice(push=False),
    "source_trouble": Choice(push=False),
    "media_trouble": Choice(push=False, mail=False),
}


def choice_of(chosen: Mapping[Kind, ChoiceChange], kind: Kind) -> Choice:
    """Give the ways by which somebody is told of a kind."""
    default, made = _DEFAULTS.get(kind, Choice()), chosen.get(kind, ChoiceChange())
    return Choice(
        in_app=default.in_app if made.in_app is UNSET else made.in_app,
        push=default.push if made.push is UNSET else made.push,
        mail=default.mail if made.mail is UNSET else made.mail,
    )


def changed(before: ChoiceChange, by: ChoiceChange) -> ChoiceChange:
    """Lay a change over what was chosen before."""
    return ChoiceChange(
        in_app=before.in_app if by.in_app is UNSET else by.in_app,
        push=before.push if by.push is UNSET else by.push,
        mail=before.mail if by.mail is UNSET else by.mail,
    )


def excerpt_of(text: str) -> str:
    """Shorten a text to what fits into a notification, at a word where that is possible."""
    line = " ".join(text.split())
    if len(line) <= EXCERPT_LENGTH:
        return line
    cut = line[: EXCERPT_LENGTH - 1]
    at_word = cut.rpartition(" ")[0]
    return (at_word if len(at_word) > EXCERPT_LENGTH // 2 else cut) + "…"


def write_cursor(secret: str, owner: UUID, last: tuple[datetime, UUID]) -> str:
    """Write the position after a notification in its owner's list."""
    moment = (last[0] - _EPOCH) // _MICROSECOND
    packed = _PAGE_PLACE.pack(owner.bytes, moment, last[1].bytes)
    return Signer(secret, "notifications").sign(packed)


def read_cursor(secret: str, owner: UUID, cursor: str) -> tuple[datetime, UUID]:
    """Read the position after which a page begins.

    Raises:
        CursorInvalid: it was not made for this person's list.

    """
    try:
        whose, moment, last = _PAGE_PLACE.unpack(Signer(secret, "notifications").open(cursor))
    except (ForgedError, struct.error) as error:
        raise CursorInvalid from error
    if whose != owner.bytes:
        raise CursorInvalid
    return _EPOCH + moment * _MICROSECOND, UUID(bytes=last)


def write_change(secret: str, owner: UUID, change: int) -> str:
    """Write up to which change of its inbox a session has everything."""
    return Signer(secret, "inbox").sign(_CHANGE.pack(owner.bytes, change))


def read_change(secret: str, owner: UUID, cursor: str) -> int:
    """Read up to which change a session has everything.

    Raises:
        CursorInvalid: it was not made for this person's inbox.

    """
    try:
        whose, change = _CHANGE.unpack(Signer(secret, "inbox").open(cursor))
    except (ForgedError, struct.error) as error:
        raise CursorInvalid from error
    if whose != owner.bytes:
        raise CursorInvalid
    return int(change)
