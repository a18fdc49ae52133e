"""Who did what to an item, and the counters that are folded from it."""
