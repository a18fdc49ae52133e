"""What a notification is, and how those of a kind on one thing become one."""

import struct
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from msgspec import Meta, Struct

from server.display import AuthorRef
from server.kernel.problems import CursorInvalid
from server.kernel.signing import ForgedError, Signer

Kind: TypeAlias = Literal["reply", "comment", "like"]

# So many actors are named; `actor_count` counts them all.
MOST_ACTORS = 8
EXCERPT_LENGTH = 140
PAGE = 20
MOST_OF_A_PAGE = 50

_LAYOUT = struct.Struct("!16sq16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Notice(Struct, frozen=True, kw_only=True):
    """That somebody did something which concerns a person."""

    user_id: UUID
    kind: Kind
    actor_id: UUID
    # What it is about, and the item where it happened.
    target_id: UUID
    item_id: UUID
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
    item_id: UUID
    target_id: UUID
    comment_id: UUID | None
    excerpt: str
    created_at: datetime
    updated_at: datetime
    read: bool


class NotificationPush(Notification, frozen=True, kw_only=True):
    """A notification that was written or grew, and how many are unread now."""

    unread_count: int


class NotificationPage(Struct, frozen=True):
    """A page of notifications, those first that changed last, and how many are unread."""

    items: list[Notification]
    cursor: str | None
    next_cursor: str | None
    has_more: bool
    unread_count: int


class PageQuery(Struct, frozen=True):
    """Which page of notifications."""

    cursor: Annotated[str, Meta(max_length=120)] | None = None
    limit: Annotated[int, Meta(ge=1, le=MOST_OF_A_PAGE)] = PAGE


class MarkRead(Struct, frozen=True):
    """What was seen: everything, or everything that changed no later than one notification."""

    up_to: UUID | None = None


class Unread(Struct, frozen=True):
    """How many notifications are unread."""

    unread_count: int


class ReadPush(Struct, frozen=True):
    """That notifications were read, perhaps in another session."""

    up_to: UUID | None
    unread_count: int


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
    return Signer(secret, "notifications").sign(_LAYOUT.pack(owner.bytes, moment, last[1].bytes))


def read_cursor(secret: str, owner: UUID, cursor: str) -> tuple[datetime, UUID]:
    """Read the position after which a page begins.

    Raises:
        CursorInvalid: it was not made for this person's list.

    """
    try:
        whose, moment, last = _LAYOUT.unpack(Signer(secret, "notifications").open(cursor))
    except (ForgedError, struct.error) as error:
        raise CursorInvalid from error
    if whose != owner.bytes:
        raise CursorInvalid
    return _EPOCH + moment * _MICROSECOND, UUID(bytes=last)
