"""What a report says, what a case is, and which verdicts there are."""

from datetime import datetime, timedelta
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from msgspec import Meta, Struct

from server.display import AuthorRef
from server.kernel.problems import Conflict, Malformed
from server.users import State

TargetKind: TypeAlias = Literal["item", "user"]
Reason: TypeAlias = Literal[
    "spam",
    "abuse",
    "hate",
    "violence",
    "sexual",
    "self_harm",
    "false",
    "rights",
    "illegal",
    "other",
]
Verdict: TypeAlias = Literal["dismiss", "takedown", "restore", "shadowban", "suspend"]
CaseState: TypeAlias = Literal["open", "closed"]

# A moderator who went away loses a case to the others after this while.
CLAIM = timedelta(minutes=15)
MOST_SHOWN_REPORTS = 20
Note = Annotated[str, Meta(max_length=1000)]
Page = Annotated[int, Meta(ge=1, le=100)]


class AlreadyClaimed(Conflict):
    """Another moderator is deciding this case."""


class NotClaimed(Conflict):
    """Only who holds a case can decide it: claim it first."""


class AlreadyDecided(Conflict):
    """The case has been decided."""


class Target(Struct, frozen=True):
    """What is reported: an item (a post, a comment and a video are items) or a person."""

    kind: TargetKind
    id: UUID


class NewReport(Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody finds wrong with something."""

    target: Target
    reason: Reason
    note: Note = ""


class ReportPlaced(Struct, frozen=True):
    """A report is in the queue; told again while it is open, it is the same one."""

    id: UUID
    target: Target
    reason: Reason
    created_at: datetime


class ReportShown(Struct, frozen=True):
    """One report of a case, as a moderator reads it."""

    id: UUID
    reporter: AuthorRef | None
    reason: Reason
    note: str
    created_at: datetime


class CaseShown(Struct, frozen=True, kw_only=True):
    """All that was reported of one target, until it is decided."""

    id: UUID
    target: Target
    state: CaseState
    report_count: int
    # The newest of them.
    reports: list[ReportShown]
    # The beginning of what was written, also of what nobody else can read any more.
    excerpt: str
    item_state: str | None
    author: AuthorRef | None
    author_state: State | None
    created_at: datetime
    updated_at: datetime
    claimed_by: AuthorRef | None
    claimed_until: datetime | None
    verdict: Verdict | None = None
    decided_at: datetime | None = None
    note: str = ""


class QueueQuery(Struct, frozen=True):
    """Which cases, and where to go on."""

    state: CaseState = "open"
    cursor: str | None = None
    limit: Page = 25


class CasePage(Struct, frozen=True):
    """Cases: the open ones by their age, the closed ones with the last decided first."""

    items: list[CaseShown]
    cursor: str | None
    next_cursor: str | None
    has_more: bool


class Decision(Struct, frozen=True, forbid_unknown_fields=True):
    """What the house decides; its author is told the reason and the note."""

    verdict: Verdict
    reason: Reason = "other"
    note: Note = ""
    # Of a suspension; without it, it ends only when somebody ends it.
    until: datetime | None = None


class ItemStatus(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether an item is to be shown."""

    state: Literal["live", "removed"]
    reason: Reason = "other"
    note: Note = ""


class PersonStatus(Struct, frozen=True, forbid_unknown_fields=True):
    """How a person may take part."""

    state: Literal["active", "shadowbanned", "suspended"]
    reason: Reason = "other"
    note: Note = ""
    until: datetime | None = None


class ItemShown(Struct, frozen=True, kw_only=True):
    """An item as a moderator looks it up, removed or not."""

    id: UUID
    type: str
    state: str
    title: str | None
    body_text: str
    author: AuthorRef | None
    author_state: State | None
    published_at: datetime
    removed_for: Reason | None = None
    removed_at: datetime | None = None
    note: str = ""
    open_case: UUID | None = None


class PersonShown(Struct, frozen=True, kw_only=True):
    """A person as a moderator looks them up."""

    id: UUID
    username: str
    display_name: str
    role: str
    state: State
    until: datetime | None = None
    reason: Reason | None = None
    note: str = ""


def check_until(until: datetime | None, now: datetime) -> datetime | None:
    """Give the end of a suspension back if it is one.

    Raises:
        Malformed: it has no time zone, or has passed.

    """
    if until is None:
        return None
    if until.tzinfo is None or until <= now:
        raise Malformed("`until` must be a moment to come, with its time zone.")
    return until
