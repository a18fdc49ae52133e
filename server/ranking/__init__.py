"""Arithmetic on candidates: which are shown together, and in what order. Nothing here waits."""

from server.ranking.featured import plan
from server.ranking.model import (
    Candidate,
    Neighbour,
    Neighbourhood,
    Past,
    Pool,
    Shown,
    Slide,
    Wanting,
)
from server.ranking.pool import pool_of
from server.ranking.slides import assemble

__all__ = [
    "Candidate",
    "Neighbour",
    "Neighbourhood",
    "Past",
    "Pool",
    "Shown",
    "Slide",
    "Wanting",
    "assemble",
    "plan",
    "pool_of",
]
