"""Which item a slide is about: the best that differs from the last ones, sometimes a chance."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice
from uuid import UUID

from msgspec import Struct

from server.ranking.model import Candidate, Past, Pool, Shown

EXPLORATION = 0.05
SAME_MAKER_PENALTY = 0.3
SAME_MAKER_SLIDES = 3
SAME_CATEGORY_PENALTY = 0.15
SAME_CATEGORY_SLIDES = 2


class Choice(Struct, frozen=True):
    """A featured item and how it was chosen."""

    candidate: Candidate
    explored: bool
    propensity: float
    # It leads because the reader asked for it.
    led: bool = False


def choices(pool: Pool, past: Past, seed: bytes, lead: Sequence[UUID] = ()) -> Iterator[Choice]:
    """Give the featured items in the order in which they should be tried, those of `lead` first.

    Of `lead`, what the pool does not feature or the session has seen is passed over.
    """
    led = _led(pool, past, lead)
    for each in led:
        yield Choice(each, explored=False, propensity=1.0, led=True)
    for choice in _ranked(pool, past, seed):
        if choice.candidate not in led:
            yield choice


def _led(pool: Pool, past: Past, lead: Sequence[UUID]) -> list[Candidate]:
    wanted = pool.ids.intersection(lead).difference(past.seen)
    if not wanted:
        return []
    found = {each.id: each for each in pool.featured if each.id in wanted}
    return [found[each] for each in dict.fromkeys(lead) if each in found]


def _ranked(pool: Pool, past: Past, seed: bytes) -> Iterator[Choice]:
    count = len(pool.ids.difference(past.seen))
    if not count:
        return
    penalty = _Penalty(past.recent)
    best = _best(pool, past, penalty)
    lucky, drawn = _draw(seed, count)
    chance = EXPLORATION / count
    first = next(islice(_unseen(pool, past), drawn, None))[0] if lucky else best
    yield Choice(first, lucky, chance + (1 - EXPLORATION if first.id == best.id else 0.0))
    costs = sorted(
        (penalty.of(each) - score, each.id.bytes, each) for each, score in _unseen(pool, past)
    )
    for _, _, each in costs:
        if each.id != first.id:
            yield Choice(each, explored=False, propensity=chance)


def plan(pool: Pool, past: Past, seeds: Sequence[bytes], lead: Sequence[UUID] = ()) -> list[UUID]:
    """Foresee the featured items of the next slides, to fetch their neighbours in one go.

    It is a guess: a slide before may still use one of them as a related item.
    """
    foreseen: list[UUID] = []
    for seed in seeds:
        choice = next(choices(pool, past, seed, lead), None)
        if choice is None:
            break
        each = choice.candidate
        foreseen.append(each.id)
        past = Past(past.seen | {each.id}, (Shown(each.maker, each.category), *past.recent[:2]))
    return foreseen


class _Penalty:
    """What the latest slides cost a candidate that is like them."""

    def __init__(self, recent: tuple[Shown, ...]) -> None:
        self._makers = {shown.maker for shown in recent[:SAME_MAKER_SLIDES]}
        self._categories = {shown.category for shown in recent[:SAME_CATEGORY_SLIDES]} - {None}

    def of(self, candidate: Candidate) -> float:
        maker = SAME_MAKER_PENALTY if candidate.maker in self._makers else 0.0
        return maker + (SAME_CATEGORY_PENALTY if candidate.category in self._categories else 0.0)


def _unseen(pool: Pool, past: Past) -> Iterator[tuple[Candidate, float]]:
    for each, score in zip(pool.featured, pool.scores, strict=True):
        if each.id not in past.seen:
            yield each, score


def _best(pool: Pool, past: Past, penalty: _Penalty) -> Candidate:
    """Find the first of the order; scores fall, so most of the pool need not be looked at."""
    unseen = _unseen(pool, past)
    best, score = next(unseen)
    least = penalty.of(best) - score
    for each, score in unseen:
        if -score > least:
            break
        cost = penalty.of(each) - score
        if (cost, each.id.bytes) < (least, best.id.bytes):
            best, least = each, cost
    return best


def _draw(seed: bytes, among: int) -> tuple[bool, int]:
    digest = hashlib.blake2b(seed, digest_size=16).digest()
    lucky = int.from_bytes(digest[:8]) < EXPLORATION * 2**64
    return lucky, int.from_bytes(digest[8:]) * among >> 64
