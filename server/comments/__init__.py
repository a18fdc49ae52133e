"""Threads under items."""

from server.comments.actions import adopt, by_ids, create, forget, page, rebuild, threads
from server.comments.model import Comment, CommentPage, Draft, Thread, TooDeep, Wanted

__all__ = [
    "Comment",
    "CommentPage",
    "Draft",
    "Thread",
    "TooDeep",
    "Wanted",
    "adopt",
    "by_ids",
    "create",
    "forget",
    "page",
    "rebuild",
    "threads",
]
