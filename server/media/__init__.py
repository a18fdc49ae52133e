"""Pictures and moving pictures of items: originals, posters, cards, and how far they are."""

from server.media import encoding
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
from server.media.made import LONG_SECONDS, RECIPE, Encoding, MadeOf, Size, Spoken, Try
from server.media.model import PROFILE, Attempt, Card, Poster, State, Video, picture_of
from server.media.tasks import ENCODE, POSTERS, RENDER, Encode, Posters, Rendering

__all__ = [
    "ENCODE",
    "LONG_SECONDS",
    "POSTERS",
    "PROFILE",
    "RECIPE",
    "RENDER",
    "Attempt",
    "Card",
    "Encode",
    "Encoding",
    "MadeOf",
    "Poster",
    "Posters",
    "Rendering",
    "Size",
    "Spoken",
    "State",
    "Try",
    "Video",
    "Waiting",
    "begin_rendering",
    "cards",
    "encoding",
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
