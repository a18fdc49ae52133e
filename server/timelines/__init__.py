"""Timelines: what those whom one follows brought, and what one person did."""

from server.timelines.actions import following, of_person
from server.timelines.fanout import FanOut
from server.timelines.live import TOPIC as LIVE_TOPIC
from server.timelines.live import Live
from server.timelines.model import (
    MOST_OF_A_PAGE,
    PAGE,
    Entry,
    Key,
    TimelineItem,
    TimelinePage,
    TimelineQuery,
)
from server.timelines.timeline import Timelines

__all__ = [
    "LIVE_TOPIC",
    "MOST_OF_A_PAGE",
    "PAGE",
    "Entry",
    "FanOut",
    "Key",
    "Live",
    "TimelineItem",
    "TimelinePage",
    "TimelineQuery",
    "Timelines",
    "following",
    "of_person",
]
