"""What an item is when it comes in, when it is read, and when it stands near another."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, TypeAlias, get_args
from uuid import UUID

from msgspec import Struct

Kind: TypeAlias = Literal[
    "ARTICLE", "TWEET", "COMMENT", "VIDEO", "AUDIO", "PHOTO", "PROJECT", "BLOG"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
State: TypeAlias = Literal["live", "retracted"]

# The model whose vectors relate items; vectors of two models are never compared.
EMBEDDING_MODEL = "all-MiniLM-L6-v2"

MAX_BODY_TEXT = 4000
MAX_BODY_HTML = 20_000
MAX_TITLE = 300
EVENT_IDS = 100


class Chapter(Struct, frozen=True):
    """Where in a recording something begins."""

    start_sec: float
    title: str
    url: str | None = None


class Entry(Struct, frozen=True, kw_only=True):
    """One thing as its source tells it, cleaned, with what makes it recognisable."""

    # SHA-256 of what makes it itself within its source: its GUID, else its link, else its text.
    digest: bytes
    # SHA-256 of what is shown of it: it was edited when this differs.
    content_digest: bytes
    # SHA-256 of its normalised link: it is told elsewhere too when this is the same.
    url_digest: bytes | None = None
    kind: Kind
    title: str | None = None
    body_text: str = ""
    body_html: str = ""
    url: str | None = None
    image_url: str | None = None
    video_url: str | None = None
    audio_url: str | None = None
    duration_sec: float | None = None
    chapters: tuple[Chapter, ...] = ()
    author_name: str | None = None
    category: str | None = None
    language: str | None = None
    tags: tuple[str, ...] = ()
    published_at: datetime
    # Of a comment: the digests of what it answers, as a GUID and as a link.
    answers: "Answers | None" = None
    # Only that it is there: its page is to be read before it is stored.
    partial: bool = False


class Answers(Struct, frozen=True):
    """What a comment answers, in the two ways in which that can be found."""

    digest: bytes
    url_digest: bytes | None = None


class Answer(Struct, frozen=True):
    """A comment that came from a source, with the place where it belongs."""

    id: UUID
    target_id: UUID
    # The comment that it answers, unless it answers the target itself.
    parent_id: UUID | None
    at: datetime


class Given(Struct, frozen=True, kw_only=True):
    """What is known of entries as they come in, besides themselves."""

    # When the answer that holds them came; None when it is no measure of how fresh they are.
    fetched_at: datetime | None = None
    # What the source says may be done with what it publishes.
    licence: str | None = None


class Stored(Struct, frozen=True):
    """What storing a batch came to; parents stand before what answers them."""

    new: tuple[UUID, ...] = ()
    edited: tuple[UUID, ...] = ()
    answers: tuple[Answer, ...] = ()


class NewItem(Struct, frozen=True, kw_only=True):
    """An item that a person wrote here."""

    id: UUID
    kind: Kind
    author_id: UUID
    body_text: str
    body_html: str = ""
    title: str | None = None
    language: str | None = None
    category: str | None = None
    tags: tuple[str, ...] = ()
    target_id: UUID | None = None


class Words(Struct, frozen=True, kw_only=True):
    """What a person wrote here instead of what they wrote before."""

    body_text: str
    body_html: str
    tags: tuple[str, ...] = ()


class StoredItem(Struct, frozen=True, kw_only=True):
    """An item as it is kept."""

    id: UUID
    kind: Kind
    state: State
    author_id: UUID | None
    author_name: str | None
    source_id: UUID | None
    category: str | None
    language: str | None
    title: str | None
    body_text: str
    body_html: str
    url: str | None
    image_url: str | None
    video_url: str | None
    tags: list[str]
    story_id: UUID
    target_id: UUID | None
    published_at: datetime
    first_seen_at: datetime
    sort_at: datetime
    edited_at: datetime | None
    audio_url: str | None = None
    duration_sec: float | None = None
    chapters: list[Chapter] | None = None
    # Where its picture is kept; the source's own address is in `image_url`.
    image_key: str | None = None


class Listed(Struct, frozen=True, kw_only=True):
    """As much of an item as choosing among many needs."""

    id: UUID
    kind: Kind
    author_id: UUID | None
    source_id: UUID | None
    category: str | None
    story_id: UUID
    target_id: UUID | None
    sort_at: datetime


class Near(Struct, frozen=True):
    """An item near another one, by their texts."""

    item: Listed
    # The cosine of the two embeddings.
    similarity: float
    # The embedding itself, as `vectors.unpack` reads it.
    packed: bytes


class TextToEmbed(Struct, frozen=True):
    """What an item's embedding is computed from."""

    id: UUID
    kind: Kind
    title: str | None
    body_text: str
    edited_at: datetime | None


class Embedding(Struct, frozen=True):
    """An embedding of an item's text as it was at a time."""

    id: UUID
    edited_at: datetime | None
    vector: Sequence[float]


def aimed(parents: Mapping[UUID, UUID], targets: Mapping[UUID, UUID | None]) -> dict[UUID, UUID]:
    """Find what each new comment is about: the end of the chain of what answers what.

    `parents` says what each new comment answers; `targets` what those that are kept already are
    about, None for an item that is no comment. Comments that answer each other in a ring are about
    nothing, and left out.
    """
    found: dict[UUID, UUID] = {}
    for comment in parents:
        chain = [comment]
        while (parent := parents[chain[-1]]) in parents and parent not in found:
            if parent in chain:
                break
            chain.append(parent)
        end = parents[chain[-1]]
        if end not in chain:
            about = found.get(end) or targets.get(end) or end
            found.update(dict.fromkeys(chain, about))
    return found
