"""The assembly of one slide, as a value of its inputs: no clock, no chance, no I/O."""

from collections.abc import Sequence
from uuid import UUID

from server.ranking import featured, related
from server.ranking.model import Neighbourhoods, Past, Pool, Slide, Wanting

ATTEMPTS = 40
WANTED_AT_ONCE = 8


def assemble(
    pool: Pool,
    neighbourhoods: Neighbourhoods,
    past: Past,
    *,
    seed: bytes,
    lead: Sequence[UUID] = (),
) -> Slide | Wanting | None:
    """Make the next slide of a session; the same inputs always give the same slide.

    Items of `lead` are tried first, and every rule holds for them too. Of featured items,
    `ATTEMPTS` are tried. None means that the pool holds no slide that this
    session has not seen.
    """
    tried = 0
    wanted: list[UUID] = []
    for choice in featured.choices(pool, past, seed, lead):
        tried += 1
        neighbourhood = neighbourhoods.get(choice.candidate.id)
        if neighbourhood is None or wanted:
            # The best one must be tried before any other, so all further ones wait for it.
            if neighbourhood is None:
                wanted.append(choice.candidate.id)
            if len(wanted) == WANTED_AT_ONCE or tried == ATTEMPTS:
                break
            continue
        found = related.choose(choice.candidate, neighbourhood, pool, past)
        if found is not None:
            passed = ("next_featured",) if tried > 1 else ()
            return Slide(
                featured=choice.candidate,
                related=found.items,
                relaxations=(*passed, *found.relaxations),
                explored=choice.explored,
                propensity=choice.propensity,
                led=choice.led,
            )
        if tried == ATTEMPTS:
            break
    return Wanting(tuple(wanted)) if wanted else None
