"""The HTTP edge: bytes to structs on the way in, structs to bytes on the way out.

An `Operation` is one endpoint as its callers see it: its route, its rights, its limits and its
documentation all come from that one value.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from server.kernel.limits import admit
from server.kernel.problems import (
    Malformed,
    NotAllowed,
    Problem,
    SignInFirst,
    TooLarge,
    check_text,
    uuid_from,
)
from server.kernel.services import Services
from server.kernel.viewer import Viewer

Access: TypeAlias = Literal["anyone", "user", "admin"]
Body = TypeVar("Body")
Query = TypeVar("Query")

MAX_BODY_BYTES = 256 * 1024
JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
# How JSON writes the character that PostgreSQL keeps in no text.
_NUL = b"\\u0000"


class Nothing(Struct, frozen=True):
    """Takes no body, or no query."""


class Call(Generic[Body, Query]):
    """One request, decoded: who asks, with what, and what the answer's head shall carry."""

    __slots__ = ("body", "client", "headers", "path", "query", "request", "services", "viewer")

    def __init__(
        self,
        *,
        request: Request,
        services: Services,
        viewer: Viewer,
        path: Mapping[str, str],
        query: Query,
        body: Body,
    ) -> None:
        self.request = request
        self.services = services
        self.viewer = viewer
        self.path = path
        self.query = query
        self.body = body
        # Headers (also Set-Cookie, hence a list) that the answer carries besides its own.
        self.headers: list[tuple[str, str]] = []
        self.client: str = request.scope.get("lumen.client", "")

    def id(self, name: str = "id") -> Any:
        """Read a UUID of the path."""
        return uuid_from(self.path[name], name)


Handler: TypeAlias = Callable[[Call[Any, Any]], Awaitable[Any]]


class Limit(Struct, frozen=True):
    """At most `count` in `seconds`, for each `by`."""

    count: int
    seconds: float
    by: Literal["address", "viewer"] = "viewer"


class Operation(Struct, frozen=True, kw_only=True):
    """One endpoint: the source of its route and of its documentation."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    handler: Handler
    access: Access = "anyone"
    body: type | None = None
    query: type | None = None
    # None: the handler makes its own response.
    returns: Any = None
    status: int = 200
    problems: tuple[type[Problem], ...] = ()
    limit: Limit | None = None
    # A GET whose answer may be kept by its reader and asked for again by ETag.
    etag: bool = False
    tag: str = ""

    DEFAULT_READ: ClassVar[Limit] = Limit(200, 10)
    DEFAULT_WRITE: ClassVar[Limit] = Limit(50, 10)

    @property
    def name(self) -> str:
        """A stable name for documents and clients: `put_items_id_like`."""
        words = re.findall(r"[a-z0-9]+", self.path)
        return "_".join([self.method.lower(), *words])

    @property
    def room(self) -> str:
        """The domain that it belongs to."""
        return self.tag or self.handler.__module__.split(".")[1]


class Edge:
    """Serves one operation."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._decode_body: Callable[[bytes], Any] | None = (
            msgspec.json.Decoder(operation.body).decode if operation.body else None
        )
        self._encode = msgspec.json.Encoder().encode

    async def __call__(self, request: Request) -> Response:
        """Decode, check, act, encode."""
        operation = self._operation
        viewer: Viewer = request.scope["lumen.viewer"]
        check_access(operation.access, viewer)
        await self._limit(request, viewer)
        call: Call[Any, Any] = Call(
            request=request,
            services=request.scope["lumen.services"],
            viewer=viewer,
            path=request.path_params,
            query=self._query(request),
            body=await self._body(request),
        )
        result = await operation.handler(call)
        response = result if isinstance(result, Response) else self._response(request, result)
        for name, value in call.headers:
            response.headers.append(name, value)
        return response

    async def _limit(self, request: Request, viewer: Viewer) -> None:
        """Count the request; what has no limit of its own shares one with the others."""
        operation = self._operation
        limit, name = operation.limit, operation.name
        if limit is None:
            reads = operation.method == "GET"
            limit = operation.DEFAULT_READ if reads else operation.DEFAULT_WRITE
            name = "read" if reads else "write"
        address: str = request.scope.get("lumen.client", "")
        by_viewer = limit.by == "viewer" and viewer.id is not None
        await admit(
            request.scope["lumen.services"], name, str(viewer.id) if by_viewer else address, limit
        )

    def _query(self, request: Request) -> Any:
        kind = self._operation.query or Nothing
        given = dict(request.query_params)
        check_text(given, "the query")
        try:
            return msgspec.convert(given, kind, strict=False)
        except msgspec.ValidationError as error:
            raise Malformed(f"In the query: {error}.") from error

    async def _body(self, request: Request) -> Any:
        if self._decode_body is None:
            return Nothing()
        raw = await read_body(request)
        try:
            # Hardly any body has one, and only such a body is looked at a second time.
            if _NUL in raw:
                check_text(msgspec.json.decode(raw), "the body")
            return self._decode_body(raw or b"{}")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Malformed(f"In the body: {error}.") from error

    def _response(self, request: Request, result: Any) -> Response:
        if self._operation.status == 204:  # noqa: PLR2004 - No Content, RFC 9110
            return Response(status_code=204)
        content = self._encode(result)
        headers = {"cache-control": "no-store"}
        if self._operation.etag:
            # Of the bytes sent (rulings 2): two readers never share an answer by mistake.
            etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            headers = {"cache-control": "private, no-cache", "etag": etag}
            if etag in request.headers.get("if-none-match", ""):
                return Response(status_code=304, headers=headers)
        return Response(content, self._operation.status, headers, media_type=JSON)


async def read_body(request: Request, most: int = MAX_BODY_BYTES) -> bytes:
    """Read a body that is no larger than it may be.

    Raises:
        TooLarge: it is larger; it is refused before it is all here.

    """
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > most:
        raise TooLarge(f"At most {most} bytes are taken here.")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise TooLarge(f"At most {most} bytes are taken here.")
    except ClientDisconnect as gone:
        raise Malformed("The connection ended before the body did.") from gone
    return bytes(body)


def check_access(access: Access, viewer: Viewer) -> None:
    """Let the viewer in or refuse.

    Raises:
        SignInFirst: only people who are signed in may.
        NotAllowed: only admins may.

    """
    if access == "anyone":
        return
    if viewer.id is None:
        raise SignInFirst
    if access == "admin" and not viewer.is_admin:
        raise NotAllowed("Only an admin may do this.")


def problem_response(problem: Problem, request_id: str = "") -> Response:
    """Tell a refusal as RFC 9457 does."""
    body = problem.body() | ({"request_id": request_id} if request_id else {})
    headers = {"cache-control": "no-store", **problem.headers}
    return Response(msgspec.json.encode(body), problem.status, headers, media_type=PROBLEM_JSON)
