"""Lumen's web room: domains, the edges they are reached by, and the kernel they share."""
