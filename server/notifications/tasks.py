"""The jobs that notifications need: telephones are told, and letters sent."""

from uuid import UUID

from msgspec import Struct

from server.kernel.queue import Task


class PushOne(Struct, frozen=True):
    """Which notification, and for which growth of it telephones are told."""

    user_id: UUID
    id: UUID
    version: int


class SendDigest(Struct, frozen=True):
    """Who is sent a letter with what is unread."""

    user_id: UUID


# What waits longer than an hour is no news any more: the sweep does not bring it back either.
PUSH = Task("notifications.push", "mail", PushOne, timeout_seconds=60, retry_seconds=(5, 30, 120))
DIGEST = Task("notifications.digest", "mail", SendDigest, retry_seconds=(60, 600))


def push_id(args: PushOne) -> str:
    """Name the job that tells of one growth of one notification."""
    return f"push-{args.id}-{args.version}"


def digest_id(user_id: UUID) -> str:
    """Name the job that writes to one person."""
    return f"digest-{user_id}"
