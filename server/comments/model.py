"""What a comment is, how long it may be and how deep a thread goes."""

import unicodedata
from datetime import datetime
from html import escape
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from server.display import Item
from server.engagement import Counts
from server.kernel.problems import Conflict, CursorInvalid, Malformed
from server.kernel.signing import ForgedError, Signer

DEEPEST = 8
LONGEST = 2000
# Letters may carry marks, but not so many that a short comment becomes a long text.
MOST_CODE_POINTS = 3 * LONGEST
PAGE = 20
MOST_OF_A_PAGE = 50

# Joiners and variation selectors add to the character before them, as marks do.
_JOINERS = frozenset({"\u200d", "\ufe0e", "\ufe0f"})


class TooDeep(Conflict):
    """The thread is as deep as threads go; answer a comment further up."""


class Draft(Struct, frozen=True):
    """A comment that somebody wrote; with a parent it answers that comment."""

    body: str
    parent_id: UUID | None = None


class Thread(Struct, frozen=True):
    """Where a comment stands: under what, in answer to what, how deep."""

    id: UUID
    target_id: UUID
    parent_id: UUID | None
    root_id: UUID
    depth: int
    created_at: datetime


class Comment(Item, frozen=True, omit_defaults=True):
    """An item of kind COMMENT, with its place in its thread."""

    parent_id: UUID | None = None
    depth: int = 0


class PageQuery(Struct, frozen=True):
    """Which page of comments."""

    cursor: Annotated[str, Meta(max_length=120)] | None = None
    limit: Annotated[int, Meta(ge=1, le=MOST_OF_A_PAGE)] = PAGE


class Wanted(Struct, frozen=True):
    """Which page of comments: after which position, how many; the secret reads positions."""

    secret: str
    cursor: str | None = None
    limit: int = PAGE


class CommentPage(Struct, frozen=True):
    """A page of comments, the newest first."""

    items: list[Comment]
    cursor: str | None
    next_cursor: str | None
    has_more: bool


class CommentsNow(Struct, frozen=True):
    """The newest comments of an item and its counters, as a join finds them."""

    items: list[Comment]
    cursor: str | None
    has_more: bool
    counts: Counts


def check_body(body: str) -> str:
    """Give the text of a comment, normalised and without blanks around it.

    Raises:
        Malformed: it is empty or too long.

    """
    if len(body) > MOST_CODE_POINTS:
        raise Malformed(f"A comment has at most {LONGEST} characters.")
    text = unicodedata.normalize("NFC", body.replace("\r\n", "\n"))
    text = "".join(each for each in text if each == "\n" or unicodedata.category(each) != "Cc")
    text = text.strip()
    if not 1 <= length_of(text) <= LONGEST:
        raise Malformed(f"A comment has 1 to {LONGEST} characters.")
    return text


def length_of(text: str) -> int:
    """Count the characters that a reader would count: marks and joiners belong to a letter."""
    return sum(
        1
        for each in text
        if each not in _JOINERS and unicodedata.category(each) not in {"Mn", "Me", "Cf"}
    )


def html_of(text: str) -> str:
    """Write a comment's text as HTML: paragraphs and line breaks, nothing else."""
    paragraphs = (part.strip() for part in text.split("\n\n"))
    return "".join(f"<p>{escape(part).replace(chr(10), '<br>')}</p>" for part in paragraphs if part)


def write_cursor(secret: str, target_id: UUID, last: UUID) -> str:
    """Write the position after a comment in the list under an item."""
    return Signer(secret, "comments").sign(target_id.bytes + last.bytes)


def read_cursor(secret: str, target_id: UUID, cursor: str) -> UUID:
    """Read the comment after which a page begins.

    Raises:
        CursorInvalid: it was not made for the comments of this item.

    """
    try:
        body = Signer(secret, "comments").open(cursor)
    except ForgedError as error:
        raise CursorInvalid from error
    if body[:16] != target_id.bytes or len(body) != 2 * 16:
        raise CursorInvalid
    return UUID(bytes=body[16:])
