"""What a card is made from, and the name that its results get from that."""

import hashlib
from uuid import UUID

import msgspec
import numpy as np
from msgspec import Struct

from server.media import PROFILE

WIDTH = 720
HEIGHT = 1280
FPS = 30
POSTER_MIME = "image/jpeg"
FILM_MIME = "video/mp4"


class CardText(Struct, frozen=True, kw_only=True):
    """Everything that is seen of an item on its card."""

    item_id: UUID
    kind: str
    title: str | None = None
    body: str = ""
    category: str | None = None
    source: str | None = None
    author: str | None = None

    @property
    def digest(self) -> str:
        """Name the recipe and what goes into it: equal input is never drawn twice."""
        told = PROFILE.encode() + b"\n" + msgspec.json.encode(self)
        return hashlib.sha256(told).hexdigest()

    def randomness(self) -> np.random.Generator:
        """Give the dice of this card: the same throws for the same item, always."""
        return np.random.default_rng(list(self.item_id.bytes))


def poster_key(digest: str) -> str:
    """Name a poster in the storage."""
    return f"cards/{PROFILE}/{digest[:2]}/{digest}.jpg"


def film_key(digest: str) -> str:
    """Name a film in the storage."""
    return f"cards/{PROFILE}/{digest[:2]}/{digest}.mp4"
