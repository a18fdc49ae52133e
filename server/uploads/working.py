"""What workers do with uploads: an attempt, its words, its result."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from server.kernel.database import Db
from server.kernel.ids import new_id
from server.kernel.services import Publishes
from server.uploads import store
from server.uploads.actions import tell
from server.uploads.model import (
    MOST_ATTEMPTS,
    PROFILE,
    SILENCE,
    MediaPush,
    Pictured,
    Upload,
)


class Attempt(Struct, frozen=True):
    """The right to write the result of an upload, until it is taken over by another."""

    upload: Upload
    token: UUID


async def film_or_sound(db: Db, upload_id: UUID) -> Upload | None:
    """Read an upload that waits to be encoded; None when it is a picture, or waits no longer."""
    upload = await store.find(db, upload_id)
    waits = upload is not None and upload.kind != "picture" and upload.state == "arrived"
    return upload if waits else None


async def begin(db: Db, upload_id: UUID, *, now: datetime) -> Attempt | None:
    """Begin to look at an upload; None when there is nothing to do, or another is at it.

    What killed its workers again and again is refused, and gets no other attempt.
    """
    token = new_id()
    upload = await store.begin(db, upload_id, token, now=now, silence=SILENCE)
    if upload is None:
        return None
    attempt = Attempt(upload, token)
    if upload.attempts > MOST_ATTEMPTS:
        await refuse(db, attempt, upload.error or "Nobody could get to the end of it.", now=now)
        return None
    return attempt


async def alive(db: Db, attempt: Attempt, now: datetime) -> bool:
    """Note that an attempt lives; False when it was taken over."""
    return await store.alive(db, attempt.upload.id, attempt.token, now)


async def let_go(db: Db, attempt: Attempt, error: str, now: datetime) -> None:
    """End an attempt that failed by no fault of the file; the last one refuses it."""
    if attempt.upload.attempts >= MOST_ATTEMPTS:
        await refuse(db, attempt, error, now=now)
    else:
        await store.let_go(db, attempt.upload.id, attempt.token, error, now)


async def made(db: Db, digest: bytes) -> Pictured | None:
    """Read what was made from these bytes before, and keep it from being removed meanwhile."""
    return await store.made(db, digest, PROFILE)


async def keep(db: Db, digest: bytes, result: Pictured) -> None:
    """Store what was made from these bytes, before its objects are put."""
    await store.keep(db, digest, PROFILE, result)


async def check(db: Db, attempt: Attempt, digest: bytes, *, now: datetime) -> bool:
    """Note that an upload can be shown; False when the attempt was taken over."""
    done = await store.settle(
        db, attempt.upload.id, attempt.token, "checked", digest=digest, error=None, changed_at=now
    )
    if done is not None:
        await tell(db, done)
    return done is not None


async def refuse(db: Db, attempt: Attempt, reason: str, *, now: datetime) -> bool:
    """Note that an upload cannot be shown, and give its room back."""
    done = await store.settle(
        db, attempt.upload.id, attempt.token, "refused", error=reason, changed_at=now
    )
    if done is not None:
        await store.release(db, {done.owner_id: done.size})
        await tell(db, done)
    return done is not None


async def say(publisher: Publishes, upload: Upload, done: float) -> None:
    """Tell an upload's owner how far the work on it is; who is not there misses nothing."""
    push = MediaPush(upload.id, upload.key, "working", round(done, 2))
    await publisher.broadcast(f"user:{upload.owner_id}", "media", push)
