"""Files of the disk storage over HTTP, for who holds a signed link."""

from typing import Any, TypeAlias

from starlette.responses import FileResponse, Response

from server.kernel.endpoint import Call, Limit, Nothing, Operation
from server.kernel.problems import Malformed, NotAllowed, NotFound
from server.kernel.storage import BadKey, mime_of
from server.kernel.storage_disk import DiskStorage, Grant, WrongSize

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
    """Take a file of the type and size that the link was signed for."""
    disk, key = _granted(call, "PUT")
    if call.request.headers.get("content-type") != call.query.mime or call.query.size is None:
        raise Malformed(f"This link takes {call.query.mime}.")
    try:
        await disk.receive(key, call.request.stream(), size=call.query.size)
    except WrongSize as error:
        raise Malformed(f"This link takes exactly {call.query.size} bytes.") from error
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
