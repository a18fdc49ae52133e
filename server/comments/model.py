"""What a comment is, how long it may be and how deep a thread goes."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

import regex
from msgspec import Meta, Struct

from server.display import Item
from server.engagement import Counts
from server.kernel import writing
from server.kernel.problems import Conflict, CursorInvalid, Malformed, NotAllowed
from server.kernel.signing import ForgedError, Signer
from server.posts import Poll

DEEPEST = 8
LONGEST = 2000
PAGE = 20
MOST_OF_A_PAGE = 50

# Whether the newest comes first, and whether answers stand among what they answer.
Sort: TypeAlias = Literal["newest", "oldest"]
View: TypeAlias = Literal["all", "threads"]

# Marks and joiners alone are no text.
_VISIBLE = regex.compile(r"[^\p{M}\p{C}\p{Z}]")


class TooDeep(Conflict):
    """The thread is as deep as threads go; answer a comment further up."""


class CommentsClosed(NotAllowed):
    """Who wrote it takes no comments from the viewer."""


class Draft(Struct, frozen=True):
    """A comment that somebody wrote; with a parent it answers that comment."""

    body: str
    parent_id: UUID | None = None


class Edit(Struct, frozen=True):
    """Other words for a comment."""

    body: str


class Thread(Struct, frozen=True):
    """Where a comment stands: under what, in answer to what, how deep."""

    id: UUID
    target_id: UUID
    parent_id: UUID | None
    root_id: UUID
    depth: int
    created_at: datetime


# Told between nodes; no client can join it.
HIDDEN_TOPIC = "hidden"


class Hidden(Struct, frozen=True):
    """An item that is gone for all but its author, and the item under which it was shown."""

    on: UUID
    id: UUID


class HiddenOf(Struct, frozen=True):
    """What is hidden with its author, as nodes hear of it."""

    author_id: UUID
    items: list[Hidden]


class Comment(Item, frozen=True, omit_defaults=True):
    """An item of kind COMMENT, with its place in its thread."""

    parent_id: UUID | None = None
    depth: int = 0


class Wanted(Struct, frozen=True):
    """Which page of comments: after which position, how many; the secret reads positions."""

    secret: str
    cursor: str | None = None
    limit: int = PAGE
    sort: Sort = "newest"
    view: View = "all"


class PageQuery(Struct, frozen=True):
    """Which page of comments; `threads` gives those that answer none, to be unfolded one by one."""

    cursor: Annotated[str, Meta(max_length=120)] | None = None
    limit: Annotated[int, Meta(ge=1, le=MOST_OF_A_PAGE)] = PAGE
    sort: Sort = "newest"
    view: View = "all"

    def wanted(self, secret: str) -> Wanted:
        """Say which page is meant, to whoever can read positions."""
        return Wanted(secret, self.cursor, self.limit, self.sort, self.view)


class CommentPage(Struct, frozen=True):
    """A page of comments, in the order that was asked for."""

    items: list[Comment]
    cursor: str | None
    next_cursor: str | None
    has_more: bool


class CommentsNow(Struct, frozen=True):
    """The first comments of an item, its counters and its poll, as a join finds them."""

    items: list[Comment]
    cursor: str | None
    has_more: bool
    counts: Counts
    poll: Poll | None = None


def check_body(body: str) -> str:
    """Give the text of a comment, normalised and without blanks around it.

    Raises:
        Malformed: it is empty or too long.

    """
    text = writing.clean(body)
    if not _VISIBLE.search(text) or not writing.fits(text, LONGEST):
        raise Malformed(f"A comment has 1 to {LONGEST} characters.")
    return text


def write_cursor(wanted: Wanted, target_id: UUID, last: UUID) -> str:
    """Write the position after a comment in the list under an item."""
    return _signer(wanted).sign(target_id.bytes + last.bytes)


def read_cursor(wanted: Wanted, target_id: UUID, cursor: str) -> UUID:
    """Read the comment after which a page begins.

    Raises:
        CursorInvalid: it was not made for the comments of this item, in this order.

    """
    try:
        body = _signer(wanted).open(cursor)
    except ForgedError as error:
        raise CursorInvalid from error
    if body[:16] != target_id.bytes or len(body) != 2 * 16:
        raise CursorInvalid
    return UUID(bytes=body[16:])


def _signer(wanted: Wanted) -> Signer:
    return Signer(wanted.secret, f"comments/{wanted.sort}/{wanted.view}")
