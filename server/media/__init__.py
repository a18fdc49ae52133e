"""Pictures and moving pictures of items: originals, posters, cards, and how far they are."""

from server.media.actions import (
    Waiting,
    begin_rendering,
    cards,
    ensure,
    film_failed,
    film_made,
    forget,
    next_to_render,
    note_progress,
    poster_made,
    set_aside,
    waiting,
    wanting_posters,
)
from server.media.model import PROFILE, Attempt, Card, Poster, State, Video, picture_of
from server.media.tasks import POSTERS, RENDER, Posters, Rendering

__all__ = [
    "POSTERS",
    "PROFILE",
    "RENDER",
    "Attempt",
    "Card",
    "Poster",
    "Posters",
    "Rendering",
    "State",
    "Video",
    "Waiting",
    "begin_rendering",
    "cards",
    "ensure",
    "film_failed",
    "film_made",
    "forget",
    "next_to_render",
    "note_progress",
    "picture_of",
    "poster_made",
    "set_aside",
    "waiting",
    "wanting_posters",
]
