"""From candidates to the pool: fresh, much engaged with and explored, one of a story."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import Struct

from server.ranking.model import Candidate, Pool

POOL_SIZE = 500
FILL_SIZE = 1000
FRESH_SHARE = 0.4
TRENDING_SHARE = 0.4
FRESHNESS_HALF_LIFE_HOURS = 24.0
TRENDING_GRAVITY = 1.5
POPULARITY_WEIGHT = 0.6
FRESHNESS_WEIGHT = 0.4


class _Rated(Struct, frozen=True):
    candidate: Candidate
    born: float
    trend: float


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
    rated = [
        _Rated(each, each.sort_at.timestamp(), _trend(each, at))
        for each in _one_of_a_story(featured)
    ]
    chosen = _shares(rated, at, size)
    top = max((each.trend for each in chosen), default=0.0) or 1.0
    scored = sorted(
        ((_score(each.candidate, each.trend / top, at), each.candidate) for each in chosen),
        key=lambda pair: (-pair[0], pair[1].id.bytes),
    )
    return Pool(
        at=at,
        featured=tuple(each for _, each in scored),
        scores=tuple(score for score, _ in scored),
        ids=frozenset(each.id for _, each in scored),
        fill=tuple(sorted(fill, key=_newest_first)[:FILL_SIZE]),
    )


def freshness(candidate: Candidate, at: datetime) -> float:
    """Give 1 for what came now, a half for what came a day ago, and never more than 1."""
    return math.pow(0.5, age_hours(candidate, at) / FRESHNESS_HALF_LIFE_HOURS)


def age_hours(candidate: Candidate, at: datetime) -> float:
    """Give the age, which is never below zero, whatever date a source has forged."""
    return max(0.0, (at - candidate.sort_at).total_seconds() / 3600)


def _shares(rated: Sequence[_Rated], at: datetime, size: int) -> list[_Rated]:
    newest = sorted(rated, key=lambda each: (-each.born, each.candidate.id.bytes))
    trending = sorted(newest, key=lambda each: -each.trend)
    hour = int(at.timestamp() // 3600)
    sample = sorted(newest, key=lambda each: _draw(each.candidate, hour))
    fresh_room, trending_room = math.ceil(size * FRESH_SHARE), math.ceil(size * TRENDING_SHARE)
    chosen: dict[bytes, _Rated] = {}
    for ordered, room in ((newest, fresh_room), (trending, trending_room), (sample, size)):
        until = min(size, len(chosen) + room)
        for each in ordered:
            if len(chosen) >= until:
                break
            chosen.setdefault(each.candidate.id.bytes, each)
    return list(chosen.values())


def _one_of_a_story(candidates: Iterable[Candidate]) -> list[Candidate]:
    best: dict[bytes, Candidate] = {}
    for each in candidates:
        known = best.setdefault(each.story.bytes, each)
        if known is not each and _told_better(each, known):
            best[each.story.bytes] = each
    return list(best.values())


def _told_better(one: Candidate, other: Candidate) -> bool:
    return (-one.engagement, *_newest_first(one)) < (-other.engagement, *_newest_first(other))


def _trend(candidate: Candidate, at: datetime) -> float:
    return candidate.engagement / math.pow(age_hours(candidate, at) + 2, TRENDING_GRAVITY)


def _score(candidate: Candidate, popularity: float, at: datetime) -> float:
    return POPULARITY_WEIGHT * popularity + FRESHNESS_WEIGHT * freshness(candidate, at)


def _newest_first(candidate: Candidate) -> tuple[float, bytes]:
    return -candidate.sort_at.timestamp(), candidate.id.bytes


def _draw(candidate: Candidate, hour: int) -> bytes:
    return hashlib.blake2b(candidate.id.bytes, digest_size=8, salt=hour.to_bytes(8)).digest()
