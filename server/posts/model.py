"""What a post is: its draft, its poll, its pictures, and the card of its first link."""

from datetime import datetime, timedelta
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from msgspec import Meta, Struct
from msgspec.structs import replace

from server.engagement import MOST_OPTIONS, Votes
from server.kernel import writing
from server.kernel.problems import Conflict, Malformed
from server.kernel.storage import Storage

LEAST_OPTIONS = 2
LONGEST_OPTION = 80
SHORTEST_POLL = timedelta(minutes=5)
LONGEST_POLL = timedelta(days=7)
MOST_PICTURES = 4
LONGEST_ALT = 1000
LONGEST_KEY = 200

# Told on the topic of polls, from node to node: this person sees the votes from now on.
BALLOT_EVENT = "ballot"

LinkKind: TypeAlias = Literal["article", "video", "audio", "image", "page", "none"]


class TooLateToEdit(Conflict):
    """A post can be edited for a while only, and not once people vote in it."""


class PollEnded(Conflict):
    """The poll has ended."""


class NotOfThisPoll(Malformed):
    """The poll has no such option."""


class PollDraft(Struct, frozen=True):
    """A question's answers, and for how long they can be chosen from."""

    options: Annotated[list[str], Meta(min_length=LEAST_OPTIONS, max_length=MOST_OPTIONS)]
    seconds: Annotated[
        int,
        Meta(ge=int(SHORTEST_POLL.total_seconds()), le=int(LONGEST_POLL.total_seconds())),
    ] = 86_400


class PictureDraft(Struct, frozen=True):
    """A picture that was uploaded, by its key, and what it shows in words."""

    key: Annotated[str, Meta(max_length=LONGEST_KEY)]
    alt: Annotated[str, Meta(max_length=LONGEST_ALT)] | None = None


class PostDraft(Struct, frozen=True):
    """A post that somebody wrote; the tags of its text need not be named again."""

    body: str = ""
    tags: Annotated[list[str], Meta(max_length=writing.MOST_TAGS)] = []
    quote_of: UUID | None = None
    poll: PollDraft | None = None
    media: Annotated[list[PictureDraft], Meta(max_length=MOST_PICTURES)] = []


class PostEdit(Struct, frozen=True):
    """Other words for a post."""

    body: str


class Picture(Struct, frozen=True, omit_defaults=True):
    """A picture of a post as it is kept: its name in the storage."""

    key: str
    alt: str | None = None


class LinkCard(Struct, frozen=True, omit_defaults=True):
    """What a post's first link leads to; `none` when there was nothing to show."""

    url: str
    kind: LinkKind = "none"
    title: str | None = None
    description: str | None = None
    site: str | None = None
    image_url: str | None = None
    # The name of the picture in the storage, which readers are given the address of.
    image_key: str | None = None

    def shown(self, storage: Storage) -> "LinkCard":
        """Give the card with the address of its picture in the place of its name."""
        if self.image_key is None:
            return self
        return replace(self, image_url=storage.url(self.image_key), image_key=None)


class Post(Struct, frozen=True, kw_only=True):
    """What is kept of a post beside its item."""

    id: UUID
    author_id: UUID
    quote_of: UUID | None
    mentions: list[UUID]
    link_url: str | None
    link: LinkCard | None
    media: list[Picture]
    created_at: datetime
    edited_at: datetime | None
    # Whether it counts as a post of its author and as a quote of what it quotes.
    counted: bool


class PostVersion(Struct, frozen=True):
    """The words of a post until they gave way to others."""

    body_text: str
    until: datetime


class PostHistory(Struct, frozen=True):
    """What a post said before, the last first."""

    items: list[PostVersion]


class Question(Struct, frozen=True):
    """A poll as it is kept."""

    id: UUID
    options: list[str]
    ends_at: datetime
    # By the clock of the database, which is the same for everybody.
    ended: bool = False


class Option(Struct, frozen=True, omit_defaults=True):
    """One answer; its votes are there for who has voted, and for all at the end."""

    text: str
    votes: int | None = None


class Poll(Struct, frozen=True, omit_defaults=True):
    """A poll as one viewer sees it."""

    id: UUID
    options: list[Option]
    ends_at: datetime
    ended: bool
    total: int
    version: int = 0
    # The option that the viewer voted for.
    my_vote: int | None = None


class VoteDraft(Struct, frozen=True):
    """Which option somebody votes for, counted from 0."""

    option: Annotated[int, Meta(ge=0, lt=MOST_OPTIONS)]


class Carded(Struct, frozen=True):
    """It is known what a post's link leads to."""

    id: UUID
    link: LinkCard


class Words(Struct, frozen=True):
    """A text fit to be posted, and what it points at."""

    text: str
    html: str
    tags: tuple[str, ...]
    names: tuple[str, ...]
    link: str | None


def read(body: str, most: int, *, tags: list[str], may_be_empty: bool = False) -> Words:
    """Read the text of a post: normalised, measured, and with what it points at.

    Raises:
        Malformed: it is empty or too long, or a tag is none.

    """
    text = writing.clean(body)
    if not text and not may_be_empty:
        raise Malformed("A post needs a text or a picture.")
    if not writing.fits(text, most):
        raise Malformed(f"A post has at most {most} characters.")
    found = writing.pointers(text)
    return Words(
        text=text,
        html=writing.html_of(text),
        tags=tuple(dict.fromkeys((*found.tags, *map(_tag, tags))))[: writing.MOST_TAGS],
        names=found.mentions,
        link=found.links[0] if found.links else None,
    )


def read_options(draft: PollDraft) -> list[str]:
    """Read the answers of a poll.

    Raises:
        Malformed: one is empty or too long, or two are the same.

    """
    options = [" ".join(writing.clean(each).split()) for each in draft.options]
    if not all(options) or not all(writing.fits(each, LONGEST_OPTION) for each in options):
        raise Malformed(f"Each option of a poll has 1 to {LONGEST_OPTION} characters.")
    if len({each.casefold() for each in options}) < len(options):
        raise Malformed("The options of a poll differ from each other.")
    return options


def as_seen(question: Question, votes: Votes | None, mine: int | None) -> Poll:
    """Show a poll to somebody: the votes of each option only after their own, or at its end."""
    tells = question.ended or mine is not None
    counted = votes.votes if votes else (0,) * MOST_OPTIONS
    return Poll(
        id=question.id,
        options=[
            Option(text, counted[number] if tells else None)
            for number, text in enumerate(question.options)
        ],
        ends_at=question.ends_at,
        ended=question.ended,
        total=sum(counted[: len(question.options)]),
        version=votes.version if votes else 0,
        my_vote=mine,
    )


def _tag(word: str) -> str:
    tag = writing.tag_of(writing.clean(word).removeprefix("#"))
    if tag is None:
        raise Malformed(f"{word[:60]!r} is no tag: letters, digits and _ make one.")
    return tag
