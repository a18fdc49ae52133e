"""From candidates to the pool: fresh, much engaged with and explored, one of a story."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from server.ranking.model import Candidate, Pool

POOL_SIZE = 500
FILL_SIZE = 1000
FRESH_SHARE = 0.4
TRENDING_SHARE = 0.4
FRESHNESS_HALF_LIFE_HOURS = 24.0
TRENDING_GRAVITY = 1.5
POPULARITY_WEIGHT = 0.6
FRESHNESS_WEIGHT = 0.4


def pool_of(
    featured: Sequence[Candidate],
    fill: Sequence[Candidate],
    *,
    at: datetime,
    size: int = POOL_SIZE,
) -> Pool:
    """Choose the pool: 40 % freshest, 40 % most engaged with, 20 % a changing sample of the rest.

    The sample changes every hour and is the same in every process.
    """
    chosen = _shares(_one_of_a_story(featured), at, size)
    trending = {each.id: _trend(each, at) for each in chosen}
    top = max(trending.values(), default=0.0) or 1.0
    scored = sorted(
        ((_score(each, trending[each.id] / top, at), each) for each in chosen),
        key=lambda pair: (-pair[0], pair[1].id),
    )
    return Pool(
        at=at,
        featured=tuple(each for _, each in scored),
        scores=tuple(score for score, _ in scored),
        fill=tuple(sorted(fill, key=_newest_first)[:FILL_SIZE]),
    )


def freshness(candidate: Candidate, at: datetime) -> float:
    """Give 1 for what came now, a half for what came a day ago, and never more than 1."""
    return math.pow(0.5, age_hours(candidate, at) / FRESHNESS_HALF_LIFE_HOURS)


def age_hours(candidate: Candidate, at: datetime) -> float:
    """Give the age, which is never below zero, whatever date a source has forged."""
    return max(0.0, (at - candidate.sort_at).total_seconds() / 3600)


def _shares(candidates: Sequence[Candidate], at: datetime, size: int) -> list[Candidate]:
    newest = sorted(candidates, key=_newest_first)
    hour = int(at.timestamp() // 3600)
    shares = (
        (newest, math.ceil(size * FRESH_SHARE)),
        (
            sorted(newest, key=lambda each: (-_trend(each, at), each.id)),
            math.ceil(size * TRENDING_SHARE),
        ),
        (sorted(newest, key=lambda each: _draw(each, hour)), size),
    )
    chosen: dict[bytes, Candidate] = {}
    for ordered, share in shares:
        room = min(size - len(chosen), share)
        for each in _first(room, (each for each in ordered if each.id.bytes not in chosen)):
            chosen[each.id.bytes] = each
    return list(chosen.values())


def _one_of_a_story(candidates: Iterable[Candidate]) -> list[Candidate]:
    best: dict[bytes, Candidate] = {}
    for each in sorted(candidates, key=lambda each: (-each.engagement, *_newest_first(each))):
        best.setdefault(each.story.bytes, each)
    return list(best.values())


def _first(count: int, candidates: Iterator[Candidate]) -> Iterator[Candidate]:
    for _, each in zip(range(count), candidates, strict=False):
        yield each


def _trend(candidate: Candidate, at: datetime) -> float:
    return candidate.engagement / math.pow(age_hours(candidate, at) + 2, TRENDING_GRAVITY)


def _score(candidate: Candidate, popularity: float, at: datetime) -> float:
    return POPULARITY_WEIGHT * popularity + FRESHNESS_WEIGHT * freshness(candidate, at)


def _newest_first(candidate: Candidate) -> tuple[float, bytes]:
    return -candidate.sort_at.timestamp(), candidate.id.bytes


def _draw(candidate: Candidate, hour: int) -> bytes:
    return hashlib.blake2b(candidate.id.bytes, digest_size=8, salt=hour.to_bytes(8)).digest()
