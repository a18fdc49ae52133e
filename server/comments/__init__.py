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
    TooLateToEdit,
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
    "TooLateToEdit",
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
