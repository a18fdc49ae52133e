"""Threads under items."""
