"""An item on the wire, the same over REST and over channels."""

from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from server.engagement import Counts, ItemCounts

__all__ = ["AuthorRef", "Counts", "Item", "ItemCounts", "Kind", "SourceRef"]

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
    # "model:item".
    embedding_id: str | None = None
    published_at: datetime | UnsetType = UNSET
    category: str | None = None
    language: str | None = None
    source: SourceRef | None = None
    author: AuthorRef | None = None
    target_id: UUID | None = None
    counts: Counts | UnsetType = UNSET
    # Present when the viewer is signed in.
    liked_by_me: bool | UnsetType = UNSET
    bookmarked_by_me: bool | UnsetType = UNSET
    reposted_by_me: bool | UnsetType = UNSET
    retracted: bool = False
