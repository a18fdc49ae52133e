"""Resumable uploads as the tus protocol 1.0 has them: creation, checksum, termination, expiration.

Only the wire is here: what is kept of an upload, and when it ends, is in `resuming`.
"""

import base64
import binascii
from datetime import datetime
from email.utils import format_datetime

import msgspec
from starlette.responses import Response

from server.kernel.endpoint import Call, Limit, Nothing, Operation
from server.kernel.problems import (
    Conflict,
    Malformed,
    NotFound,
    Problem,
    SignInFirst,
    TooLarge,
    TooMany,
    Unavailable,
)
from server.uploads import resuming
from server.uploads.model import LARGEST, QuotaExceeded, SignUpload, Upload
from server.uploads.resuming import (
    ALGORITHMS,
    Busy,
    Checksum,
    ChecksumMismatch,
    Ended,
    Piece,
)

VERSION = "1.0.0"
PATH = "/uploads/tus"
PIECE = "application/offset+octet-stream"
# Pieces under way in one process, each with a part of its upload in memory.
MOST_AT_ONCE = 16
_LONGEST_NUMBER = 15
# A phone on a train sends many small pieces.
_PIECES = Limit(300, 10)
_VERSIONS = {"Tus-Resumable": VERSION, "Cache-Control": "no-store"}

_under_way: set[object] = set()


class WrongVersion(Problem):
    """The request is of no version of tus that is spoken here."""

    status = 412


class NotAPiece(Problem):
    """A piece of an upload has the type application/offset+octet-stream."""

    status = 415


async def offer(_: Call[Nothing, Nothing]) -> Response:
    """Say what is spoken here."""
    return Response(
        status_code=204,
        headers={
            **_VERSIONS,
            "Tus-Version": VERSION,
            "Tus-Extension": "creation,checksum,termination,expiration",
            "Tus-Max-Size": str(LARGEST),
            "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
        },
    )


async def create(call: Call[Nothing, Nothing]) -> Response:
    """Begin an upload in pieces; `Upload-Metadata` names its type as `filetype`."""
    _check_version(call)
    told = _metadata(call.request.headers.get("upload-metadata", ""))
    try:
        asked = msgspec.convert(
            {
                "size": _number(call, "upload-length"),
                "mime": told.get("filetype") or told.get("type"),
                "sha256": told.get("sha256"),
            },
            SignUpload,
        )
    except msgspec.ValidationError as error:
        raise Malformed(f"In Upload-Length and Upload-Metadata: {error}.") from error
    services = call.services
    quotas = services.policy.upload_quotas
    upload = await resuming.open_upload(services, call.viewer, asked, quotas)
    headers = {"Location": f"{PATH}/{upload.id}", "Upload-Key": upload.key, **_head(upload)}
    return Response(status_code=201, headers=headers)


async def ask(call: Call[Nothing, Nothing]) -> Response:
    """Tell from where on the upload goes on."""
    _check_version(call)
    async with call.services.database.read() as db:
        upload = await resuming.standing(db, call.viewer, call.id())
    return Response(headers=_head(upload) | {"Upload-Length": str(upload.size)})


async def add(call: Call[Nothing, Nothing]) -> Response:
    """Add a piece to the end of an upload."""
    _check_version(call)
    if call.request.headers.get("content-type") != PIECE:
        raise NotAPiece
    if len(_under_way) >= MOST_AT_ONCE:
        raise Unavailable("Too many uploads are under way here; go on in a moment.")
    piece = Piece(_number(call, "upload-offset"), call.request.stream(), _checksum(call))
    token = object()
    _under_way.add(token)
    try:
        upload = await resuming.add(call.services, call.viewer, call.id(), piece)
    finally:
        _under_way.discard(token)
    return Response(status_code=204, headers=_head(upload))


async def give_up(call: Call[Nothing, Nothing]) -> Response:
    """End an upload that is not whole."""
    _check_version(call)
    await resuming.give_up(call.services, call.viewer, call.id())
    return Response(status_code=204, headers=_VERSIONS)


def _check_version(call: Call[Nothing, Nothing]) -> None:
    if call.request.headers.get("tus-resumable") != VERSION:
        refusal = WrongVersion(f"Send Tus-Resumable: {VERSION}.")
        refusal.headers["Tus-Version"] = VERSION
        raise refusal


def _number(call: Call[Nothing, Nothing], name: str) -> int:
    given = call.request.headers.get(name, "")
    if not (given.isascii() and given.isdigit() and len(given) <= _LONGEST_NUMBER):
        raise Malformed(f"{name.title()} takes a number of bytes.")
    return int(given)


def _metadata(given: str) -> dict[str, str]:
    """Read pairs of a name and a value in base64, with commas between them."""
    read = {}
    try:
        for pair in filter(None, given.split(",")):
            name, _, value = pair.strip().partition(" ")
            read[name] = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Malformed("Upload-Metadata takes pairs of a name and a base64 value.") from error
    return read


def _checksum(call: Call[Nothing, Nothing]) -> Checksum | None:
    given = call.request.headers.get("upload-checksum")
    if given is None:
        return None
    algorithm, _, digest = given.partition(" ")
    if algorithm not in ALGORITHMS:
        raise Malformed(f"Upload-Checksum takes one of {', '.join(ALGORITHMS)}.")
    try:
        return Checksum(algorithm, base64.b64decode(digest, validate=True))
    except binascii.Error as error:
        raise Malformed("Upload-Checksum takes a base64 value.") from error


def _head(upload: Upload) -> dict[str, str]:
    ends = {"Upload-Expires": _http_date(upload.expires_at)} if upload.state == "signed" else {}
    return {**_VERSIONS, "Upload-Offset": str(upload.received), **ends}


def _http_date(moment: datetime) -> str:
    return format_datetime(moment.replace(microsecond=0), usegmt=True)


_MINE = (SignInFirst, NotFound, Ended, WrongVersion, TooMany)

operations = [
    Operation(method="OPTIONS", path=PATH, handler=offer, status=204, tag="uploads"),
    Operation(
        method="POST",
        path=PATH,
        handler=create,
        access="user",
        status=201,
        problems=(SignInFirst, Malformed, QuotaExceeded, WrongVersion, TooMany),
        tag="uploads",
    ),
    Operation(
        method="HEAD",
        path=f"{PATH}/{{id}}",
        handler=ask,
        access="user",
        problems=_MINE,
        tag="uploads",
    ),
    Operation(
        method="PATCH",
        path=f"{PATH}/{{id}}",
        handler=add,
        access="user",
        limit=_PIECES,
        status=204,
        problems=(
            *_MINE,
            Malformed,
            Conflict,
            Busy,
            NotAPiece,
            TooLarge,
            ChecksumMismatch,
            Unavailable,
        ),
        tag="uploads",
    ),
    Operation(
        method="DELETE",
        path=f"{PATH}/{{id}}",
        handler=give_up,
        access="user",
        status=204,
        problems=(*_MINE, Conflict),
        tag="uploads",
    ),
]
