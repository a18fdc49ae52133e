"""What a timeline is made of, where one is in it, and what its readers are given."""

import struct
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from msgspec import Meta, Struct

from server.display import AuthorRef, Item, Kind
from server.kernel.problems import CursorInvalid
from server.kernel.signing import ForgedError, Signer

PAGE = 50
MOST_OF_A_PAGE = 100
# So many entries of a timeline are kept ready; what is older is read from PostgreSQL.
KEPT = 500
# Within so long an item comes once, however many bring it: by whoever brought it first.
ONCE_WITHIN = timedelta(hours=24)
# Of entries that are not shown after all, so many are passed over for one page.
MOST_PASSED_OVER = 2_000

Purpose: TypeAlias = Literal["following", "person"]

_LAYOUT = struct.Struct("!16sq16s16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Key(Struct, frozen=True, order=True):
    """The place of an entry in a timeline; timelines go from the greatest key down."""

    # Microseconds since 1970, which a Redis score holds exactly.
    at: int
    item_id: UUID
    actor_id: UUID

    @property
    def moment(self) -> datetime:
        """When it came."""
        return _EPOCH + self.at * _MICROSECOND


# Before everything that can be in a timeline.
TOP = Key(2**53 - 1, UUID(int=2**128 - 1), UUID(int=2**128 - 1))


class Entry(Struct, frozen=True):
    """That a person brought an item before their followers: as its author, or by a repost."""

    key: Key
    repost: bool

    @property
    def item_id(self) -> UUID:
        """The item."""
        return self.key.item_id

    @property
    def actor_id(self) -> UUID:
        """Who brought it."""
        return self.key.actor_id


class TimelineItem(Item, frozen=True, omit_defaults=True):
    """An item in a timeline, and who brought it there if that was not its author."""

    reposted_by: AuthorRef | None = None
    reposted_at: datetime | None = None


class TimelinePage(Struct, frozen=True, omit_defaults=True):
    """A page of a timeline, the newest first; the cursor is the position after it."""

    items: list[TimelineItem]
    cursor: str | None
    next_cursor: str | None
    has_more: bool
    # Why there is nothing, where the reader can do something about it.
    hint: Literal["follow_somebody"] | None = None


class TimelineQuery(Struct, frozen=True):
    """Which page of a timeline."""

    cursor: Annotated[str, Meta(max_length=120)] | None = None
    limit: Annotated[int, Meta(ge=1, le=MOST_OF_A_PAGE)] = PAGE
    # Only items of this type.
    kind: Kind | None = None


def micros(moment: datetime) -> int:
    """Give a moment as keys count it."""
    return (moment - _EPOCH) // _MICROSECOND


def write_cursor(secret: str, purpose: Purpose, owner: UUID, last: Key) -> str:
    """Write the position after an entry of one timeline."""
    packed = _LAYOUT.pack(owner.bytes, last.at, last.item_id.bytes, last.actor_id.bytes)
    return Signer(secret, f"timeline/{purpose}").sign(packed)


def read_cursor(secret: str, purpose: Purpose, owner: UUID, cursor: str) -> Key:
    """Read the position after which a page begins.

    Raises:
        CursorInvalid: it was not made for this timeline.

    """
    try:
        signed = Signer(secret, f"timeline/{purpose}").open(cursor)
        whose, at, item, actor = _LAYOUT.unpack(signed)
    except (ForgedError, struct.error) as error:
        raise CursorInvalid from error
    if whose != owner.bytes:
        raise CursorInvalid
    return Key(at, UUID(bytes=item), UUID(bytes=actor))
