"""Who did what to an item, and the counters that are folded from it."""

from server.engagement.actions import (
    add_delta,
    bookmark,
    counts,
    flags,
    forget,
    forget_seen,
    item_counts,
    like,
    rebuild,
    repair,
    sample,
    unbookmark,
    unlike,
)
from server.engagement.fold import EVENT as COUNTERS_EVENT
from server.engagement.fold import MISSED_EVENT as COUNTERS_MISSED_EVENT
from server.engagement.fold import TOPIC as COUNTERS_TOPIC
from server.engagement.fold import fold_forever, fold_once
from server.engagement.model import (
    FIELDS,
    Counts,
    Field,
    Flags,
    ItemCounts,
    NoSuchItem,
    Standing,
)

__all__ = [
    "COUNTERS_EVENT",
    "COUNTERS_MISSED_EVENT",
    "COUNTERS_TOPIC",
    "FIELDS",
    "Counts",
    "Field",
    "Flags",
    "ItemCounts",
    "NoSuchItem",
    "Standing",
    "add_delta",
    "bookmark",
    "counts",
    "flags",
    "fold_forever",
    "fold_once",
    "forget",
    "forget_seen",
    "item_counts",
    "like",
    "rebuild",
    "repair",
    "sample",
    "unbookmark",
    "unlike",
]
