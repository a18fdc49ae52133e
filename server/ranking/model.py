"""What is known of candidates, of a session's past and of a slide."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Pairs: TypeAlias = NDArray[np.float32]


class Candidate(Struct, frozen=True):
    """An item that may be shown."""

    id: UUID
    kind: str
    # The source or the author: at most two items of one maker stand on a slide.
    maker: str
    # The cluster of near-duplicates: a slide tells a story once.
    story: UUID
    category: str | None
    sort_at: datetime
    # How much people did with it; any scale, greater is more.
    engagement: float = 0.0
    # Of a comment: the conversation it belongs to.
    thread: UUID | None = None


class Neighbour(Struct, frozen=True):
    """A candidate near a featured item."""

    candidate: Candidate
    # The cosine of their embeddings.
    similarity: float


class Neighbourhood(Struct, frozen=True, eq=False):
    """What lies near one featured item, nearest first, and how near its members are to another.

    `pairs[i, j]` is the cosine of members i and j; the diagonal is not read.
    """

    members: tuple[Neighbour, ...]
    pairs: Pairs


class Pool(Struct, frozen=True, eq=False):
    """A snapshot of what slides are made of, the same for every reader."""

    at: datetime
    # Best first, one of a story.
    featured: tuple[Candidate, ...]
    # Beside `featured`: the score before anything is known of the session.
    scores: tuple[float, ...]
    # Of what is featured.
    ids: frozenset[UUID]
    # Recent items of every related kind, newest first: what a slide falls back on.
    fill: tuple[Candidate, ...]


class Shown(Struct, frozen=True):
    """What is remembered of a slide's featured item, so that the next one differs."""

    maker: str
    category: str | None


class Past(Struct, frozen=True):
    """What a session has been given."""

    seen: frozenset[UUID] = frozenset()
    # The latest slides, newest first.
    recent: tuple[Shown, ...] = ()

    def after(self, slide: "Slide") -> "Past":
        """Give the past as it is once a slide has been given."""
        return Past(
            self.seen | {slide.featured.id, *(each.id for each in slide.related)},
            (Shown(slide.featured.maker, slide.featured.category), *self.recent[:_RECENT]),
        )


_RECENT = 2


class Slide(Struct, frozen=True):
    """One featured item and three that belong to it."""

    featured: Candidate
    related: tuple[Candidate, Candidate, Candidate]
    # The rules that had to give way, in the order in which they did.
    relaxations: tuple[str, ...] = ()
    explored: bool = False
    # The probability with which this featured item was chosen: what makes logs usable later.
    propensity: float = 1.0
    # The reader asked for it by its id.
    led: bool = False

    @property
    def topic(self) -> str:
        """Name what the slide is about."""
        return self.featured.category or "general"

    @property
    def reason(self) -> str:
        """Say in one word chain how the slide came about."""
        first = "fresh" if self.led else "exploration" if self.explored else "vector_topk"
        return "+".join((first, "diversity", *self.relaxations))


class Wanting(Struct, frozen=True):
    """No slide yet: the neighbourhoods of these featured items are needed first."""

    ids: tuple[UUID, ...]


Neighbourhoods: TypeAlias = Mapping[UUID, Neighbourhood]
