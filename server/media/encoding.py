"""What jobs and owners do with encodings: take, note, finish, cancel, try again."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from server import uploads
from server.kernel import outbox
from server.kernel.database import Db
from server.kernel.ids import new_id
from server.kernel.problems import Conflict, NotFound, SignInFirst
from server.kernel.services import Publishes
from server.kernel.viewer import Viewer
from server.media import encodings
from server.media.events import EncodingChanged
from server.media.made import (
    BYTES_EACH_SECOND,
    MOST_TRIES,
    QUIET,
    Encoding,
    EncodingState,
    MadeOf,
    Try,
)
from server.media.tasks import Encode


class NotNow(Conflict):
    """The encoding is not at a point where that can be done."""


async def ask(
    db: Db, upload_id: UUID, owner_id: UUID, *, key: str, size: int, now: datetime
) -> bool:
    """Let an upload be encoded; False when it was asked for before."""
    encoding = Encoding(
        id=upload_id,
        owner_id=owner_id,
        key=key,
        state="waiting",
        cost_sec=max(1.0, size / BYTES_EACH_SECOND),
        created_at=now,
        changed_at=now,
    )
    return await encodings.add(db, encoding)


def ticket(upload_id: UUID) -> tuple[str, Encode]:
    """Give the job that encodes whose turn it is, with the id of one on whose behalf it runs."""
    return f"encode-{upload_id}", Encode(upload_id)


async def in_line(db: Db, *, now: datetime, limit: int) -> list[UUID]:
    """Derive what is still to be encoded, in the order of its turn."""
    return await encodings.open_ones(db, silent_since=now - QUIET, limit=limit)


async def take(db: Db, *, now: datetime, at_most_sec: float | None = None) -> Try | None:
    """Begin an attempt at whose turn it is: what is short goes first, what waits grows shorter.

    What killed its workers again and again fails, and gets no other attempt.
    """
    while True:
        token = new_id()
        taken = await encodings.take(
            db, token, now=now, silent_since=now - QUIET, at_most_sec=at_most_sec
        )
        if taken is None:
            return None
        attempt = Try(taken.id, token, taken.attempts, taken.owner_id, taken.key, taken.cost_sec)
        if taken.attempts <= MOST_TRIES:
            return attempt
        await failed(db, attempt, "No attempt came back.", now=now)


async def note(db: Db, attempt: Try, done: float, eta: float | None, *, now: datetime) -> bool:
    """Say that an attempt lives and how far it is; False when it no longer counts."""
    return await encodings.note(db, attempt.id, attempt.token, now=now, done=done, eta=eta)


async def made_before(db: Db, digest: bytes) -> MadeOf | None:
    """Read what was made of the same bytes before: then there is nothing to do."""
    return await encodings.made_of(db, digest)


async def finished(db: Db, attempt: Try, digest: bytes, made: MadeOf, *, now: datetime) -> bool:
    """Note the result of an attempt; False when it no longer counts."""
    done = await encodings.settle(
        db,
        attempt.id,
        attempt.token,
        state="ready",
        digest=digest,
        progress=1.0,
        error=None,
        result=msgspec.to_builtins(made),
        changed_at=now,
    )
    if done is None:
        return False
    looked = await uploads.begin(db, attempt.id, now=now)
    if looked is not None:
        await uploads.check(db, looked, digest, now=now)
    await _tell(db, done)
    return True


async def refused(db: Db, attempt: Try, reason: str, *, now: datetime) -> bool:
    """Note that a file is nothing that we encode, and why."""
    done = await _settled(db, attempt, "refused", reason, now)
    if done is None:
        return False
    looked = await uploads.begin(db, attempt.id, now=now)
    if looked is not None:
        await uploads.refuse(db, looked, reason, now=now)
    return True


async def failed(db: Db, attempt: Try, reason: str, *, now: datetime) -> bool:
    """Note that an attempt failed by no fault of the file; after the last one it stays so."""
    last = attempt.number >= MOST_TRIES
    return await _settled(db, attempt, "failed" if last else "waiting", reason, now) is not None


async def one(db: Db, viewer: Viewer, encoding_id: UUID) -> Encoding:
    """Read one of the viewer's own encodings.

    Raises:
        SignInFirst: the viewer is a visitor.
        NotFound: there is none of the viewer's.

    """
    if viewer.id is None:
        raise SignInFirst
    found = await encodings.find(db, encoding_id)
    if found is None or found.owner_id != viewer.id:
        raise NotFound("There is no such encoding of yours.")
    return found


async def cancel(db: Db, viewer: Viewer, encoding_id: UUID, *, now: datetime) -> Encoding:
    """Stop an encoding; whoever is at it finds that it no longer counts.

    Raises:
        SignInFirst, NotFound: as `one` does.
        NotNow: it is at its end already.

    """
    return await _reset(
        db, viewer, encoding_id, ("waiting", "encoding"), state="cancelled", now=now
    )


async def again(db: Db, viewer: Viewer, encoding_id: UUID, *, now: datetime) -> Encoding:
    """Let an encoding that failed or was cancelled be tried anew.

    Raises:
        SignInFirst, NotFound: as `one` does.
        NotNow: it is under way, done, or the file itself was refused.

    """
    return await _reset(db, viewer, encoding_id, ("failed", "cancelled"), state="waiting", now=now)


async def say(publisher: Publishes, attempt: Try, done: float, eta: float | None) -> None:
    """Tell an owner's open screens how far it is; who is not there misses nothing."""
    push = uploads.MediaPush(
        attempt.id,
        attempt.key,
        "working",
        round(done, 3),
        eta_seconds=None if eta is None else round(eta, 1),
    )
    await publisher.broadcast(f"user:{attempt.owner_id}", "media", push)


def tickets(ids: Sequence[UUID]) -> list[tuple[str, Encode]]:
    """Give a job for each."""
    return [ticket(each) for each in ids]


async def _reset(
    db: Db,
    viewer: Viewer,
    encoding_id: UUID,
    before: tuple[str, ...],
    *,
    state: EncodingState,
    now: datetime,
) -> Encoding:
    found = await one(db, viewer, encoding_id)
    changed = await encodings.reset(
        db,
        encoding_id,
        found.owner_id,
        before,
        state=state,
        attempts=0,
        progress=0.0,
        error=None,
        changed_at=now,
    )
    if changed is None:
        raise NotNow(f"It is {found.state}.")
    await _tell(db, changed)
    return changed


async def _settled(
    db: Db, attempt: Try, state: EncodingState, reason: str, now: datetime
) -> Encoding | None:
    done = await encodings.settle(
        db, attempt.id, attempt.token, state=state, error=reason[:500], changed_at=now
    )
    if done is not None:
        await _tell(db, done)
    return done


async def _tell(db: Db, encoding: Encoding) -> None:
    event = EncodingChanged(
        id=encoding.id,
        owner_id=encoding.owner_id,
        key=encoding.key,
        state=encoding.state,
        error=encoding.error,
    )
    await outbox.emit(db, event, key=encoding.id)
