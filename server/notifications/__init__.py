"""What concerns a person: kept until it is read, pushed while they are here."""

from server.notifications.actions import forget, notify, purge, retract, take_back
from server.notifications.choosing import digested, digests_due
from server.notifications.digest import letter_for
from server.notifications.model import (
    Kind,
    MarkRead,
    Notice,
    Notification,
    NotificationPage,
    NotificationPush,
    PageQuery,
    Preferences,
    PreferencesChange,
    ReadPush,
    Unread,
)
from server.notifications.projection import Projection
from server.notifications.reading import (
    acknowledge,
    joined,
    mark_read,
    mark_seen,
    page,
    prefer,
    preferences,
    unread,
)
from server.notifications.sending import (
    Subscription,
    claim,
    drop,
    ring_late,
    subscribe,
    subscriptions,
    to_push,
    unsubscribe,
)
from server.notifications.tasks import DIGEST, PUSH, PushOne, SendDigest, digest_id
from server.notifications.vapid import authorization, public_key

__all__ = [
    "DIGEST",
    "PUSH",
    "Kind",
    "MarkRead",
    "Notice",
    "Notification",
    "NotificationPage",
    "NotificationPush",
    "PageQuery",
    "Preferences",
    "PreferencesChange",
    "Projection",
    "PushOne",
    "ReadPush",
    "SendDigest",
    "Subscription",
    "Unread",
    "acknowledge",
    "authorization",
    "claim",
    "digest_id",
    "digested",
    "digests_due",
    "drop",
    "forget",
    "joined",
    "letter_for",
    "mark_read",
    "mark_seen",
    "notify",
    "page",
    "prefer",
    "preferences",
    "public_key",
    "purge",
    "retract",
    "ring_late",
    "subscribe",
    "subscriptions",
    "take_back",
    "to_push",
    "unread",
    "unsubscribe",
]
