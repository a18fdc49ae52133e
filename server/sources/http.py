"""The endpoints with which an admin looks after sources."""

import asyncio
import hashlib
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from msgspec import Meta, Struct
from starlette.responses import Response

from server.kernel.endpoint import Call, Nothing, Operation
from server.kernel.problems import Malformed, NotAllowed, NotFound, SignInFirst, uuid_from
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.sources import actions, opml
from server.sources.model import (
    MAX_URL,
    NewSource,
    Preview,
    Source,
    SourceExists,
    SourceKind,
    Text,
)

MOST_OF_A_LIST = 500
PREVIEW_SECONDS = 15.0
LOOK_SECONDS = 0.2
_OTHERS = 2


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
    kind: SourceKind
    retired_at: datetime | None
    notice: str | None
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


class PreviewAsked(Struct, frozen=True):
    """A look at an address: what was found, or nothing while a worker still looks."""

    id: UUID
    pending: bool
    preview: Preview | None


class Address(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be looked at."""

    url: Annotated[str, Meta(min_length=1, max_length=MAX_URL)]


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


class AddSources(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be added: an address, the feed itself, or a list of feeds; one of the three."""

    url: Annotated[str, Meta(min_length=1, max_length=MAX_URL)] | None = None
    content: Annotated[str, Meta(min_length=1)] | None = None
    opml: Annotated[str, Meta(min_length=1)] | None = None
    title: Text | None = None
    category: Text | None = None
    language: Annotated[str, Meta(max_length=20)] | None = None
    # What it is, where that is known; found out otherwise.
    kind: SourceKind = "auto"


class SourceAdded(SourceShown, frozen=True, tag_field="added", tag="source"):
    """One source was added."""


class ListAdded(Struct, frozen=True, tag_field="added", tag="list"):
    """The new sources of a list were added; so many were there already."""

    items: list[SourceShown]
    known: int


async def add_sources(call: Call[AddSources, Nothing]) -> SourceAdded | ListAdded:
    """Add sources; how reading them went is seen in the list.

    An address is asked at once and then as often as it publishes. A feed in `content` is read
    once. The feeds of an OPML document in `opml` are added as addresses are.
    """
    body = call.body
    if [body.url, body.content, body.opml].count(None) != _OTHERS:
        raise Malformed("Give either url, content or opml.")
    if body.opml is not None:
        return await _add_list(call, body.opml)
    # The same feed given twice is one source.
    digest = hashlib.sha256((body.content or "").encode()).hexdigest()
    address = body.url or f"urn:sha256:{digest}"
    new = NewSource(
        url=address,
        title=body.title,
        category=body.category,
        language=body.language,
        kind=body.kind,
    )
    now = call.services.clock.now()
    async with call.services.write() as db:
        if body.content is not None:
            content = body.content.encode()
            source = await actions.add_file(db, call.viewer, address, new, content, now)
        else:
            source = await actions.add(db, call.viewer, new, now)
    return SourceAdded.of(source)


async def _add_list(call: Call[AddSources, Nothing], document: str) -> ListAdded:
    try:
        news = opml.read(document.encode())
    except opml.NotOpmlError as error:
        raise Malformed(f"This is no OPML document: {error}") from error
    if len(news) > MOST_OF_A_LIST:
        raise Malformed(f"At most {MOST_OF_A_LIST} feeds are taken at once, not {len(news)}.")
    async with call.services.write() as db:
        added, known = await actions.add_all(db, call.viewer, news, call.services.clock.now())
    return ListAdded([SourceShown.of(each) for each in added], known)


async def refresh_source(call: Call[Nothing, Nothing]) -> None:
    """Have a source asked now."""
    async with call.services.write() as db:
        await actions.refresh(db, call.viewer, call.id(), call.services.clock.now())


async def preview_source(call: Call[Address, Nothing]) -> PreviewAsked:
    """Show what an address would bring, without keeping anything; a worker looks.

    Where that takes longer than a while, the answer is `pending` and can be asked for again.
    """
    async with call.services.write() as db:
        preview_id = await actions.ask_preview(db, call.viewer, call.body.url)
    found = await waited_for(call.services, call.viewer, preview_id)
    return PreviewAsked(preview_id, found is None, found)


async def read_preview(call: Call[Nothing, Nothing]) -> PreviewAsked:
    """Give what a worker found at an address."""
    async with call.services.database.read() as db:
        found = await actions.preview(db, call.viewer, call.id())
    return PreviewAsked(call.id(), found is None, found)


async def waited_for(services: Services, viewer: Viewer, preview_id: UUID) -> Preview | None:
    """Wait a while for what a worker finds at an address."""
    for _ in range(int(PREVIEW_SECONDS / LOOK_SECONDS)):
        async with services.database.read() as db:
            found = await actions.preview(db, viewer, preview_id)
        if found is not None:
            return found
        await asyncio.sleep(LOOK_SECONDS)
    return None


async def export_opml(call: Call[Nothing, Nothing]) -> Response:
    """Give all sources as an OPML document, for any feed reader."""
    async with call.services.database.read() as db:
        found = await actions.every(db, call.viewer)
    head = {"content-disposition": 'attachment; filename="lumen.opml"', "cache-control": "no-store"}
    return Response(opml.write(found), media_type="text/x-opml", headers=head)


operations = [
    Operation(
        method="POST",
        path="/sources/preview",
        handler=preview_source,
        access="admin",
        body=Address,
        returns=PreviewAsked,
        problems=(Malformed, SignInFirst, NotAllowed),
        tag="sources",
    ),
    Operation(
        method="GET",
        path="/sources/preview/{id}",
        handler=read_preview,
        access="admin",
        returns=PreviewAsked,
        problems=(Malformed, SignInFirst, NotAllowed, NotFound),
        tag="sources",
    ),
    Operation(
        method="GET",
        path="/sources/opml",
        handler=export_opml,
        access="admin",
        problems=(SignInFirst, NotAllowed),
        tag="sources",
    ),
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
        handler=add_sources,
        access="admin",
        body=AddSources,
        returns=SourceAdded | ListAdded,
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
