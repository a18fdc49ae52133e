"""An item on the wire, the same over REST and over channels."""

from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from server.engagement import Counts, ItemCounts
from server.items import Chapter
from server.posts import LinkCard, Poll

__all__ = [
    "AuthorRef",
    "Counts",
    "Item",
    "ItemCounts",
    "Kind",
    "PictureRef",
    "SizeRef",
    "SourceRef",
]

Kind: TypeAlias = Literal[
    "ARTICLE", "TWEET", "COMMENT", "VIDEO", "AUDIO", "PHOTO", "PROJECT", "BLOG"
]


class SourceRef(Struct, frozen=True, omit_defaults=True):
    """Where an item came from."""

    id: UUID
    title: str
    url: str | None = None


class AuthorRef(Struct, frozen=True, omit_defaults=True):
    """Who wrote an item: a person of Lumen, or a name that its source gave."""

    name: str
    id: UUID | None = None
    username: str | None = None


class SizeRef(Struct, frozen=True):
    """One size of a picture, as WebP."""

    url: str
    width: int
    height: int


class PictureRef(Struct, frozen=True, omit_defaults=True):
    """A picture of a post, and what it shows in words; the smallest of its sizes first."""

    url: str
    alt: str | None = None
    width: int | None = None
    height: int | None = None
    sizes: list[SizeRef] = []
    # A ThumbHash (base64), to paint until the picture is there.
    placeholder: str | None = None
    # Of a picture that moves: it as MP4.
    film_url: str | None = None


class Item(Struct, frozen=True, omit_defaults=True):
    """An item as one viewer sees it; of a retracted one only `id` and `retracted` are there."""

    id: UUID
    type: Kind | UnsetType = UNSET
    title: str | None = None
    body_text: str | None = None
    body_html: str | None = None
    original_url: str | None = None
    # The card's MP4, once there is one; until then only the poster.
    media_url: str | None = None
    poster_url: str | None = None
    image_url: str | None = None
    duration_sec: float | None = None
    # Of a podcast's episode: the recording, and where in it what begins.
    audio_url: str | None = None
    chapters: list[Chapter] | None = None
    # "model:item".
    embedding_id: str | None = None
    published_at: datetime | UnsetType = UNSET
    category: str | None = None
    language: str | None = None
    source: SourceRef | None = None
    author: AuthorRef | None = None
    target_id: UUID | None = None
    tags: list[str] = []
    edited_at: datetime | None = None
    # What a post has besides: what it quotes, one level deep; its poll, pictures, people, link.
    quote_of: UUID | None = None
    quoted: "Item | None" = None
    poll: Poll | None = None
    pictures: list[PictureRef] = []
    mentions: list[AuthorRef] = []
    link: LinkCard | None = None
    counts: Counts | UnsetType = UNSET
    # Present when the viewer is signed in.
    liked_by_me: bool | UnsetType = UNSET
    bookmarked_by_me: bool | UnsetType = UNSET
    reposted_by_me: bool | UnsetType = UNSET
    retracted: bool = False
