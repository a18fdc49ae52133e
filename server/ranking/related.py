"""Which three items stand beside a featured one: near it, unlike one another, under hard rules."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from server.ranking.model import Candidate, Neighbourhood, Past, Pool
from server.ranking.pool import freshness

RELATED_KINDS = ("ARTICLE", "TWEET", "COMMENT", "VIDEO")
LEAST_SIMILARITY = 0.25
# Nearer than this is the same story told again.
DUPLICATE_SIMILARITY = 0.92
NEAR_WINDOW = timedelta(days=14)
WIDE_WINDOW = timedelta(days=30)
CONSIDERED = 30
RELEVANCE_SHARE = 0.7
# What is only recent ranks under anything that is near.
FILL_RELEVANCE = 0.2

Triple: TypeAlias = tuple[Candidate, Candidate, Candidate]
Numbers: TypeAlias = NDArray[np.intp]
Truths: TypeAlias = NDArray[np.bool_]


class Related(Struct, frozen=True):
    """Three related items and the rules that gave way for them."""

    items: Triple
    relaxations: tuple[str, ...]


class _Option(Struct, frozen=True):
    candidate: Candidate
    relevance: float
    # The place among the neighbours; a fallback has none, and counts as unlike everything.
    place: int | None = None


def choose(
    featured: Candidate, neighbourhood: Neighbourhood, pool: Pool, past: Past
) -> Related | None:
    """Choose the best three under the rules, relaxing step by step; None when there are no three.

    What was seen, the featured story, two of a maker and one of a thread never give way.
    """
    steps: list[tuple[str, list[_Option]]] = []
    for step in _steps(featured, neighbourhood, pool, past):
        steps.append(step)
        triple = _best(featured, step[1], neighbourhood, two_kinds=True)
        if triple is not None:
            return Related(triple, tuple(name for name, _ in steps if name))
    for taken, (_, options) in enumerate(steps, start=1):
        triple = _best(featured, options, neighbourhood, two_kinds=False)
        if triple is not None:
            return Related(triple, ("kinds", *(name for name, _ in steps[:taken] if name)))
    return None


def _steps(
    featured: Candidate, neighbourhood: Neighbourhood, pool: Pool, past: Past
) -> Iterator[tuple[str, list[_Option]]]:
    near = [
        _Option(member.candidate, member.similarity, place)
        for place, member in enumerate(neighbourhood.members)
        if LEAST_SIMILARITY <= member.similarity < DUPLICATE_SIMILARITY
        and _eligible(member.candidate, featured, past)
    ]
    yield "", _within(near, pool.at - NEAR_WINDOW)
    wide = _within(near, pool.at - WIDE_WINDOW)
    yield "window_30d", wide
    taken = {option.candidate.id for option in wide}
    fill = [each for each in pool.fill if each.id not in taken and _eligible(each, featured, past)]
    same = [each for each in fill if each.category == featured.category]
    yield "category_recent", _filled(wide, same, pool.at)
    yield "pool", _filled(wide, fill, pool.at)


def _eligible(candidate: Candidate, featured: Candidate, past: Past) -> bool:
    return (
        candidate.id not in past.seen
        and candidate.id != featured.id
        and candidate.story != featured.story
        and candidate.kind in RELATED_KINDS
    )


def _within(options: list[_Option], since: datetime) -> list[_Option]:
    return [option for option in options if option.candidate.sort_at >= since][:CONSIDERED]


def _filled(near: list[_Option], fill: Sequence[Candidate], at: datetime) -> list[_Option]:
    # Half of the room is the fallback's, or near items of one maker could block every slide.
    kept = near[: max(CONSIDERED // 2, CONSIDERED - len(fill))]
    room = CONSIDERED - len(kept)
    return kept + [
        _Option(each, FILL_RELEVANCE * freshness(each, at)) for each in _mixed(fill)[:room]
    ]


def _mixed(fill: Sequence[Candidate]) -> list[Candidate]:
    """Order so that a short head holds every kind, and of each kind many makers."""
    of_maker: dict[tuple[str, str], int] = {}
    keyed: list[tuple[int, int, Candidate]] = []
    for place, each in enumerate(fill):
        turn = of_maker.get((each.kind, each.maker), 0)
        of_maker[each.kind, each.maker] = turn + 1
        keyed.append((turn, place, each))
    keyed.sort(key=lambda entry: entry[:2])
    of_kind: dict[str, int] = {}
    dealt: list[tuple[int, int, Candidate]] = []
    for place, (_, _, each) in enumerate(keyed):
        turn = of_kind.get(each.kind, 0)
        of_kind[each.kind] = turn + 1
        dealt.append((turn, place, each))
    dealt.sort(key=lambda entry: entry[:2])
    return [each for _, _, each in dealt]


def _best(
    featured: Candidate,
    options: list[_Option],
    neighbourhood: Neighbourhood,
    *,
    two_kinds: bool,
) -> Triple | None:
    """Try all subsets of three: the greatest sum of MMR wins, and of equals the least ids."""
    options = sorted(options, key=lambda option: option.candidate.id.bytes)
    first, second, third = _subsets(len(options))
    if not len(first):
        return None
    allowed = _allowed(featured, [option.candidate for option in options], two_kinds=two_kinds)
    if not allowed.any():
        return None
    first, second, third = first[allowed], second[allowed], third[allowed]
    likeness = _likeness(options, neighbourhood)
    relevance = np.array([option.relevance for option in options])
    one, two, three = likeness[first, second], likeness[first, third], likeness[second, third]
    # Each of the three is marked down by the one of the other two that it is most like.
    alike = np.maximum(one, two) + np.maximum(one, three) + np.maximum(two, three)
    value = RELEVANCE_SHARE * (relevance[first] + relevance[second] + relevance[third])
    best = int(np.argmax(value - (1 - RELEVANCE_SHARE) * alike))
    chosen = [options[index] for index in (first[best], second[best], third[best])]
    chosen.sort(key=lambda option: (-option.relevance, option.candidate.id.bytes))
    return chosen[0].candidate, chosen[1].candidate, chosen[2].candidate


def _allowed(featured: Candidate, candidates: list[Candidate], *, two_kinds: bool) -> Truths:
    first, second, third = _subsets(len(candidates))
    allowed: Truths = np.ones(len(first), dtype=np.bool_)
    makers, different = _codes([featured.maker, *(each.maker for each in candidates)])
    if different <= len(candidates):
        own = (makers[1:] == makers[0]).astype(np.intp)
        allowed &= own[first] + own[second] + own[third] <= 1
        allowed &= ~_same(makers[1:], first, second, third)
    for codes, different in (
        _codes([each.story for each in candidates]),
        _codes([each.thread or each.id for each in candidates]),
    ):
        # Mostly no two are of one story or thread, and nothing need be compared.
        if different < len(candidates):
            allowed &= _differ(codes, first, second, third)
    if two_kinds:
        kinds, _ = _codes([each.kind for each in candidates])
        allowed &= ~_same(kinds, first, second, third)
    return allowed


def _codes(values: Sequence[object]) -> tuple[Numbers, int]:
    """Number values, equal ones alike; says how many different ones there are."""
    known: dict[object, int] = {}
    codes = np.array([known.setdefault(value, len(known)) for value in values], dtype=np.intp)
    return codes, len(known)


def _differ(codes: Numbers, first: Numbers, second: Numbers, third: Numbers) -> Truths:
    one, two, three = codes[first], codes[second], codes[third]
    differ: Truths = (one != two) & (one != three) & (two != three)
    return differ


def _same(codes: Numbers, first: Numbers, second: Numbers, third: Numbers) -> Truths:
    one = codes[first]
    same: Truths = (one == codes[second]) & (one == codes[third])
    return same


def _likeness(options: list[_Option], neighbourhood: Neighbourhood) -> NDArray[np.float64]:
    likeness = np.zeros((len(options), len(options)))
    near = [index for index, option in enumerate(options) if option.place is not None]
    places = [option.place for option in options if option.place is not None]
    likeness[np.ix_(near, near)] = neighbourhood.pairs[np.ix_(places, places)]
    return likeness


@lru_cache(maxsize=CONSIDERED + 1)
def _subsets(size: int) -> tuple[Numbers, Numbers, Numbers]:
    """Give every subset of three, in lexicographic order, as three columns of indices."""
    upper = np.arange(size)
    first, second, third = np.meshgrid(upper, upper, upper, indexing="ij")
    rising = (first < second) & (second < third)
    return first[rising], second[rising], third[rising]
