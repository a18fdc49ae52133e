"""What is agreed with the hubs of sources, as a subscriber of W3C WebSub."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from server.kernel import outbox
from server.kernel.database import Db
from server.sources import files, store, subscriptions
from server.sources.events import FileGiven, SourceDue
from server.sources.model import Source, Subscription

PATH = "/websub/{id}"
LEASE = timedelta(days=10)
SHORTEST_LEASE = timedelta(minutes=5)
LONGEST_LEASE = timedelta(days=90)
# A hub that was asked and did not come back is asked again, less and less often.
SILENCE = timedelta(minutes=10)
LONGEST_SILENCE = timedelta(days=1)
DENIED = timedelta(days=3)
# A lease is renewed when so much of it is over.
RENEWED_AT = 0.8
_METHODS = {"sha1", "sha256", "sha384", "sha512"}


def callback_url(base: str, source_id: UUID) -> str:
    """Give the address at which the hub of a source reaches us."""
    return base.rstrip("/") + PATH.replace("{id}", str(source_id))


async def offered(
    db: Db, source: Source, hub: str | None, topic: str | None, now: datetime
) -> Subscription | None:
    """Take notice of the hub that a feed names, or no longer names; gives what is agreed."""
    if hub is None:
        await subscriptions.drop(db, source.id)
        return None
    await subscriptions.want(
        db,
        source.id,
        hub=hub,
        topic=topic or source.url,
        secret=secrets.token_urlsafe(32),
        now=now,
    )
    return await subscriptions.of(db, source.id)


async def subscription(db: Db, source_id: UUID) -> Subscription | None:
    """Read what is agreed with a source's hub."""
    return await subscriptions.of(db, source_id)


async def due_hubs(db: Db, now: datetime, limit: int = 200) -> list[UUID]:
    """Read of which sources the hub is to be asked, for the sweep."""
    return await subscriptions.due(db, now, limit)


async def hub_asked(db: Db, agreed: Subscription, now: datetime, error: str | None = None) -> None:
    """Write down that a hub was asked, or could not be."""
    pause = min(SILENCE * 2 ** min(agreed.attempts, 10), LONGEST_SILENCE)
    await subscriptions.asked(db, agreed.source_id, again_at=now + pause, error=error)


async def confirm(
    db: Db, source_id: UUID, *, topic: str, lease_seconds: int | None, now: datetime
) -> bool:
    """Answer a hub that asks whether we want this; False when we do not."""
    agreed = await subscriptions.of(db, source_id)
    if agreed is None or agreed.topic != topic or agreed.ask_at is None:
        return False
    lease = LEASE if lease_seconds is None else timedelta(seconds=min(lease_seconds, 10**9))
    lease = min(max(lease, SHORTEST_LEASE), LONGEST_LEASE)
    await subscriptions.confirmed(
        db, source_id, expires_at=now + lease, renew_at=now + lease * RENEWED_AT
    )
    return True


async def deny(db: Db, source_id: UUID, *, topic: str, reason: str, now: datetime) -> bool:
    """Take notice that a hub will not have a subscription, or ends it."""
    agreed = await subscriptions.of(db, source_id)
    if agreed is None or agreed.topic != topic:
        return False
    await subscriptions.denied(db, source_id, reason=reason, again_at=now + DENIED)
    # It is asked as if there were no hub from now on.
    if await store.make_due(db, source_id, now):
        await outbox.emit(db, SourceDue(source_id), key=source_id)
    return True


async def receive(
    db: Db, source_id: UUID, content: bytes, signature: str | None, now: datetime
) -> bool | None:
    """Take what a hub sends; None when nothing was agreed, False when its signature is wrong.

    What comes while an earlier push still waits is not kept: the source is asked instead, so that
    neither is lost.
    """
    agreed = await subscriptions.of(db, source_id)
    if agreed is None or not agreed.holds(now):
        return None
    if not signed(agreed.secret, content, signature):
        return False
    await subscriptions.pushed(db, source_id, now)
    if content and not await files.waits(db, source_id):
        await files.give(db, source_id, content)
        await outbox.emit(db, FileGiven(source_id), key=source_id)
    elif await store.make_due(db, source_id, now):
        await outbox.emit(db, SourceDue(source_id), key=source_id)
    return True


def signed(secret: str, content: bytes, signature: str | None) -> bool:
    """Say whether what was sent carries the signature of who knows the secret."""
    method, _, given = (signature or "").partition("=")
    if method.lower() not in _METHODS or not given:
        return False
    made = hmac.new(secret.encode(), content, getattr(hashlib, method.lower())).hexdigest()
    return hmac.compare_digest(made.encode(), given.strip().lower().encode("utf-8", "replace"))
