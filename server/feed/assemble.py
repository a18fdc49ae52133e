"""The next slides of a session: the pool, what lies near, and the arithmetic of ranking."""

import hashlib
from collections.abc import Awaitable, Sequence
from typing import Protocol
from uuid import UUID

from server.feed.model import Entry, Log
from server.ranking import (
    Neighbourhood,
    Past,
    Pool,
    Shown,
    Slide,
    Wanting,
    assemble,
    plan,
)

REMEMBERED = 3


class Candidates(Protocol):
    """Gives the pool."""

    def get(self) -> Awaitable[Pool]:
        """Give the pool as it is now."""
        ...


class Surroundings(Protocol):
    """Gives what lies near items."""

    def of(self, ids: Sequence[UUID]) -> Awaitable[dict[UUID, Neighbourhood]]:
        """Give the neighbourhood of each; an item that nothing is near has an empty one."""
        ...


class News:
    """Makes slides."""

    def __init__(self, pool: Candidates, related: Surroundings) -> None:
        self._pool = pool
        self._related = related

    async def next(self, log: Log, count: int, *, lead: Sequence[UUID] = ()) -> list[Entry]:
        """Make up to `count` entries that follow the log; fewer when the pool holds no more.

        Slides about items of `lead` come first, as far as the pool features them.
        """
        pool = await self._pool.get()
        seeds = [seed_of(log, log.tail + ahead) for ahead in range(1, count + 1)]
        past = past_of(log)
        known = await self._related.of(plan(pool, past, seeds, lead))
        made: list[Entry] = []
        for seed in seeds:
            slide = await self._slide(pool, known, past, seed, lead)
            if slide is None:
                break
            made.append(entry_of(slide))
            past = past.after(slide)
        return made

    async def _slide(
        self,
        pool: Pool,
        known: dict[UUID, Neighbourhood],
        past: Past,
        seed: bytes,
        lead: Sequence[UUID],
    ) -> Slide | None:
        while True:
            found = assemble(pool, known, past, seed=seed, lead=lead)
            if not isinstance(found, Wanting):
                return found
            known |= await self._related.of(found.ids)


def seed_of(log: Log, seq: int) -> bytes:
    """Give the seed of one slide of one session: what was given can be worked out again."""
    key = log.session.bytes + log.epoch.to_bytes(4)
    return hashlib.blake2b(seq.to_bytes(4), key=key, digest_size=16).digest()


def past_of(log: Log) -> Past:
    """Give what ranking needs to know of a log."""
    latest = log.entries[: -REMEMBERED - 1 : -1]
    recent = tuple(Shown(entry.maker, entry.topic or None) for entry in latest)
    return Past(log.seen(), recent)


def entry_of(slide: Slide) -> Entry:
    """Write a slide down."""
    return Entry(
        ids=(slide.featured.id, *(each.id for each in slide.related)),
        topic=slide.featured.category or "",
        reason=slide.reason,
        maker=slide.featured.maker,
        propensity=round(slide.propensity, 6),
    )
