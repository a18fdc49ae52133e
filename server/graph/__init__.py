"""Who follows, blocks and mutes whom."""

from server.graph.actions import (
    MOST_FOLLOWEES,
    block,
    follow,
    followed,
    followees,
    followers,
    hidden_authors,
    may_interact,
    mute,
    relation,
    unblock,
    unfollow,
    unmute,
)
from server.graph.model import (
    Blocked,
    GraphCounts,
    NoSuchPerson,
    NotYourself,
    Place,
    Relation,
    TooManyPeople,
)

__all__ = [
    "MOST_FOLLOWEES",
    "Blocked",
    "GraphCounts",
    "NoSuchPerson",
    "NotYourself",
    "Place",
    "Relation",
    "TooManyPeople",
    "block",
    "follow",
    "followed",
    "followees",
    "followers",
    "hidden_authors",
    "may_interact",
    "mute",
    "relation",
    "unblock",
    "unfollow",
    "unmute",
]
