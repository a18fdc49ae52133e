"""What concerns a person: kept until it is read, pushed while they are here."""

from server.notifications.actions import forget, mark_read, notify, page, pushed, unread
from server.notifications.model import (
    Kind,
    MarkRead,
    Notice,
    Notification,
    NotificationPage,
    NotificationPush,
    PageQuery,
    ReadPush,
    Unread,
)

__all__ = [
    "Kind",
    "MarkRead",
    "Notice",
    "Notification",
    "NotificationPage",
    "NotificationPush",
    "PageQuery",
    "ReadPush",
    "Unread",
    "forget",
    "mark_read",
    "notify",
    "page",
    "pushed",
    "unread",
]
