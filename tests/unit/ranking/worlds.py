"""Worlds for the ranking tests: small, with many twins, so that the rules really bind."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
from hypothesis import strategies as st

from server.ranking import Candidate, Neighbour, Neighbourhood, Pool, pool_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KINDS = ("ARTICLE", "TWEET", "COMMENT", "VIDEO")


def numbered(number: int) -> UUID:
    return UUID(int=number)


def candidate(number: int, **told: object) -> Candidate:
    """A candidate whose maker, story and thread are its own unless they are told."""
    values: dict[str, object] = {
        "kind": "TWEET",
        "maker": f"maker-{number}",
        "story": numbered(number),
        "category": "science",
        "sort_at": NOW - timedelta(hours=1),
    }
    return Candidate(id=numbered(number), **{**values, **told})  # type: ignore[arg-type]


def near(*members: tuple[Candidate, float], alike: dict[tuple[int, int], float] | None = None):
    """A neighbourhood whose members are unlike one another unless they are told to be alike."""
    pairs = np.zeros((len(members), len(members)), dtype=np.float32)
    for (one, two), cosine in (alike or {}).items():
        pairs[one, two] = pairs[two, one] = cosine
    return Neighbourhood(tuple(Neighbour(each, cosine) for each, cosine in members), pairs)


@st.composite
def candidates(draw: st.DrawFn, *, most: int = 24) -> list[Candidate]:
    makers = draw(st.integers(1, 6))
    stories = draw(st.integers(1, 20))
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(KINDS),
                st.integers(1, makers),
                st.integers(1, stories),
                st.sampled_from(("science", "sport", None)),
                st.integers(-10, 24 * 40),
                st.integers(0, 5),
            ),
            max_size=most,
        )
    )
    return [
        candidate(
            number,
            kind=kind,
            maker=f"maker-{maker}",
            story=numbered(story),
            category=category,
            sort_at=NOW - timedelta(hours=age),
            engagement=float(likes),
            thread=numbered(900 + story % 3) if kind == "COMMENT" else None,
        )
        for number, (kind, maker, story, category, age, likes) in enumerate(rows, start=1)
    ]


def whole_pool(everything: list[Candidate]) -> Pool:
    """The pool that the feed would make of these items."""
    featured = [each for each in everything if each.kind in {"ARTICLE", "VIDEO"}]
    return pool_of(featured, everything, at=NOW)


@st.composite
def neighbourhoods(draw: st.DrawFn, everything: list[Candidate]) -> dict[UUID, Neighbourhood]:
    """For each featured item some of the others, with cosines from far to duplicate."""
    found = {}
    for each in everything:
        others = [other for other in everything if other.id != each.id]
        picked = (
            draw(st.lists(st.sampled_from(others), unique_by=id, max_size=12)) if others else []
        )
        cosines = sorted(
            (draw(st.sampled_from((0.1, 0.25, 0.4, 0.4, 0.7, 0.92))) for _ in picked), reverse=True
        )
        found[each.id] = near(*zip(picked, cosines, strict=True))
    return found
