"""The endpoints with which an admin looks after sources."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from msgspec import Meta, Struct

from server.kernel.endpoint import Call, Nothing, Operation
from server.kernel.problems import Malformed, NotAllowed, NotFound, SignInFirst, uuid_from
from server.sources import actions
from server.sources.model import NewSource, Source, SourceExists


class SourceShown(Struct, frozen=True):
    """A source as an admin sees it."""

    id: UUID
    url: str
    title: str
    site_url: str | None
    category: str | None
    enabled: bool
    demo: bool
    item_count: int
    next_check_at: datetime
    last_success_at: datetime | None
    last_status: int | None
    last_error: str | None
    error_count: int

    @classmethod
    def of(cls, source: Source) -> Self:
        """Leave out what only the fetcher needs."""
        return cls(**{name: getattr(source, name) for name in cls.__struct_fields__})


class SourcePage(Struct, frozen=True):
    """Some sources, the latest first."""

    items: list[SourceShown]
    cursor: str | None
    next_cursor: str | None
    has_more: bool


class PageQuery(Struct, frozen=True):
    """Where to go on, and how far."""

    cursor: str | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


async def list_sources(call: Call[Nothing, PageQuery]) -> SourcePage:
    """List the sources and how their last refresh went."""
    after = uuid_from(call.query.cursor, "cursor") if call.query.cursor else None
    async with call.services.database.read() as db:
        found = await actions.page(db, call.viewer, after, call.query.limit + 1)
    shown = found[: call.query.limit]
    more = len(found) > call.query.limit
    cursor = str(shown[-1].id) if more else None
    return SourcePage([SourceShown.of(each) for each in shown], cursor, cursor, more)


async def add_source(call: Call[NewSource, Nothing]) -> SourceShown:
    """Add a source; it is asked at once, and how that went is seen in the list."""
    async with call.services.write() as db:
        source = await actions.add(db, call.viewer, call.body, call.services.clock.now())
    return SourceShown.of(source)


async def refresh_source(call: Call[Nothing, Nothing]) -> None:
    """Have a source asked now."""
    async with call.services.write() as db:
        await actions.refresh(db, call.viewer, call.id(), call.services.clock.now())


operations = [
    Operation(
        method="GET",
        path="/sources",
        handler=list_sources,
        access="admin",
        query=PageQuery,
        returns=SourcePage,
        problems=(Malformed, SignInFirst, NotAllowed),
        tag="sources",
    ),
    Operation(
        method="POST",
        path="/sources",
        handler=add_source,
        access="admin",
        body=NewSource,
        returns=SourceShown,
        status=201,
        problems=(Malformed, SignInFirst, NotAllowed, SourceExists),
        tag="sources",
    ),
    Operation(
        method="POST",
        path="/sources/{id}/refresh",
        handler=refresh_source,
        access="admin",
        status=204,
        problems=(Malformed, SignInFirst, NotAllowed, NotFound),
        tag="sources",
    ),
]
