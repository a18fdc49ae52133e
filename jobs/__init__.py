"""Lumen's workers: what takes longer than a request may, and what runs by the clock."""
