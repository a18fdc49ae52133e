"""Arithmetic on candidates: which are shown together, and in what order. Nothing here waits."""
