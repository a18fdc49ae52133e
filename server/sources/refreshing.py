"""What the jobs that ask sources write down: that they began, and how it went."""

from datetime import datetime, timedelta
from uuid import UUID

from server.kernel import outbox
from server.kernel.database import Db
from server.sources import history, store
from server.sources.events import SourceRetired
from server.sources.model import MOVED_FOR_GOOD, Failed, Fetch, Fetched, Source

# A refresh that was not heard of for so long is taken to be lost, and the source is due again.
CLAIM = timedelta(minutes=3)


async def claim(db: Db, source_id: UUID, now: datetime) -> Source | None:
    """Begin a refresh; what it finds is taken only while no later one has begun."""
    return await store.claim(db, source_id, now, now + CLAIM)


async def postpone(db: Db, source: Source, until: datetime) -> bool:
    """Put a refresh off whose host has no turn for us yet; it counts as none."""
    return await store.postpone(db, source, until)


async def succeeded(db: Db, source: Source, outcome: Fetched, now: datetime) -> bool:
    """Write down a refresh that went well, and where the source is to be found from now on."""
    if not await store.record_success(db, source, outcome, now):
        return False
    await history.note(
        db,
        source.id,
        Fetch(
            at=now,
            outcome=outcome.outcome,
            status=outcome.status,
            reason=None,
            seconds=outcome.cost.seconds,
            bytes=outcome.cost.bytes,
            new_items=outcome.new_items,
            edited_items=outcome.edited_items,
        ),
    )
    address = outcome.found_at or _moved(source, outcome)
    if address is not None and address != source.url and not await store.move(db, source, address):
        await _retire(db, source, f"It is now at {address}, which is a source already.", now)
    return True


async def failed(db: Db, source: Source, outcome: Failed, now: datetime) -> bool:
    """Write down a refresh that failed; one that is gone for good is retired, with a notice."""
    if not await store.record_failure(db, source, outcome):
        return False
    await history.note(
        db,
        source.id,
        Fetch(
            at=now,
            outcome="retired" if outcome.gone else "failed",
            status=outcome.status,
            reason=outcome.reason,
            seconds=outcome.cost.seconds,
            bytes=outcome.cost.bytes,
            new_items=0,
            edited_items=0,
        ),
    )
    if outcome.gone:
        await _retire(db, source, f"Its host says that it is gone for good. {outcome.reason}", now)
    return True


def _moved(source: Source, outcome: Fetched) -> str | None:
    """Give the new address of a source that was sent there for good, again and again."""
    if outcome.moved_to is None or outcome.moved_to != source.moved_to:
        return None
    return outcome.moved_to if source.moved_count + 1 >= MOVED_FOR_GOOD else None


async def _retire(db: Db, source: Source, notice: str, now: datetime) -> None:
    await store.retire(db, source.id, notice, now)
    await outbox.emit(db, SourceRetired(source.id, notice), key=source.id)
