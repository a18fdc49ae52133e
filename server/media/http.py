"""Files of the disk storage over HTTP, for who holds a signed link."""

from typing import Any, TypeAlias

from starlette.responses import FileResponse, Response

from server import uploads
from server.kernel.endpoint import Call, Limit, Nothing, Operation
from server.kernel.problems import Malformed, NotAllowed, NotFound
from server.kernel.storage import BadKey, mime_of
from server.kernel.storage_disk import (
    DiskStorage,
    Grant,
    WrongBytes,
    WrongSize,
    content_digest,
)

# A key is the name of its content: what a link once showed, it always shows.
_HEADERS = {
    "cache-control": "public, max-age=31536000, immutable",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "accept-ranges": "bytes",
}


class Link(Grant, frozen=True, kw_only=True, rename={"signature": "s"}):
    """What a signed link says."""

    signature: str


Download: TypeAlias = Call[Nothing, Link]


async def download(call: Download) -> Response:
    """Send a file or a range of it."""
    disk, key = _granted(call, "GET")
    path = disk.path(key)
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise NotFound from None
    response = FileResponse(path, headers=_HEADERS, media_type=mime_of(key), stat_result=stat)
    if response.headers["etag"] in call.request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={**_HEADERS, "etag": response.headers["etag"]})
    return response


async def upload(call: Download) -> Response:
    """Take a file of the type and size, and with the checksum, that the link was signed for."""
    disk, key = _granted(call, "PUT")
    granted, headers = call.query, call.request.headers
    if headers.get("content-type") != granted.mime or granted.size is None:
        raise Malformed(f"This link takes {granted.mime}.")
    said = headers.get("content-digest")
    if said and granted.sha256 and said != content_digest(bytes.fromhex(granted.sha256)):
        raise Malformed("This link takes bytes of another Content-Digest.")
    try:
        chunks = call.request.stream()
        await disk.receive(key, chunks, size=granted.size, sha256=granted.sha256)
    except WrongSize as error:
        raise Malformed(f"This link takes exactly {granted.size} bytes.") from error
    except WrongBytes as error:
        raise Malformed(str(error)) from error
    upload_id = uploads.id_of(key)
    if upload_id is not None:
        services = call.services
        async with services.write() as db:
            await uploads.arrived(db, upload_id, services.clock.now())
    return Response(status_code=204)


def _granted(call: Call[Any, Link], method: str) -> tuple[DiskStorage, str]:
    disk, key = call.services.storage, call.path["key"]
    # With another storage these paths do not exist.
    if not isinstance(disk, DiskStorage):
        raise NotFound
    try:
        disk.path(key)
    except BadKey:
        raise NotFound from None
    if not disk.allows(method, key, call.query, call.query.signature):
        raise NotAllowed("The link was altered or has ended; ask for the item again.")
    return disk, key


operations = [
    Operation(
        method="GET",
        path="/media/{key:path}",
        handler=download,
        # A player asks for a film in many ranges.
        limit=Limit(1000, 10, "address"),
        query=Link,
        problems=(NotAllowed, NotFound),
        tag="media",
    ),
    Operation(
        method="PUT",
        path="/media/{key:path}",
        handler=upload,
        query=Link,
        status=204,
        problems=(Malformed, NotAllowed, NotFound),
        tag="media",
    ),
]
