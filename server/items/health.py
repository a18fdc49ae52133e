"""How a source fares: how its fetches went, and how soon its items reach a screen."""

from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from msgspec import Struct

from server import sources
from server.items import stages
from server.items.stages import Passed
from server.kernel.database import Db
from server.kernel.viewer import Viewer
from server.sources import Fetch, Source, SourceKind, Subscription

FRESHNESS = timedelta(days=7)


class Pushes(Struct, frozen=True, kw_only=True):
    """What is agreed with a source's hub."""

    hub: str
    topic: str
    state: str
    expires_at: datetime | None
    pushed_at: datetime | None
    error: str | None

    @classmethod
    def of(cls, agreed: Subscription) -> Self:
        """Leave out the secret."""
        return cls(**{name: getattr(agreed, name) for name in cls.__struct_fields__})


class Health(Struct, frozen=True, kw_only=True):
    """How a source fares: what was asked, when it is asked again, how fresh its items are."""

    id: UUID
    url: str
    title: str
    kind: SourceKind
    host: str
    enabled: bool
    retired_at: datetime | None
    notice: str | None
    last_fetch_at: datetime | None
    last_success_at: datetime | None
    next_check_at: datetime
    last_status: int | None
    last_error: str | None
    error_count: int
    item_count: int
    # Items of the last week, as of the last refresh: by them it is asked more or less often.
    weekly: int
    moved_to: str | None
    licence: str | None
    fetches: list[Fetch]
    # Seconds from stage to stage, of what came in the last week.
    stages: list[Passed]
    pushes: Pushes | None

    @classmethod
    def of(
        cls,
        source: Source,
        *,
        fetches: list[Fetch],
        passed: list[Passed],
        agreed: Subscription | None,
    ) -> Self:
        """Put together what is known."""
        told = {
            name: getattr(source, name)
            for name in cls.__struct_fields__
            if name in Source.__struct_fields__
        }
        pushes = Pushes.of(agreed) if agreed is not None else None
        return cls(**told, fetches=fetches, stages=passed, pushes=pushes)


async def health_of(db: Db, viewer: Viewer, source_id: UUID, now: datetime) -> Health:
    """Read how a source fares.

    Raises:
        NotAllowed: the viewer is no admin.
        NotFound: there is no such source.

    """
    source = await sources.one(db, viewer, source_id)
    return Health.of(
        source,
        fetches=await sources.fetches(db, viewer, source_id),
        passed=await stages.of_source(db, source_id, now - FRESHNESS),
        agreed=await sources.subscription(db, source_id),
    )
