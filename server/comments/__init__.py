"""Threads under items."""

from server.comments.actions import (
    adopt,
    by_ids,
    create,
    delete,
    edit,
    forget,
    page,
    rebuild,
    threads,
)
from server.comments.model import (
    Comment,
    CommentPage,
    CommentsClosed,
    Draft,
    Edit,
    Thread,
    TooDeep,
    Wanted,
)

__all__ = [
    "Comment",
    "CommentPage",
    "CommentsClosed",
    "Draft",
    "Edit",
    "Thread",
    "TooDeep",
    "Wanted",
    "adopt",
    "by_ids",
    "create",
    "delete",
    "edit",
    "forget",
    "page",
    "rebuild",
    "threads",
]
