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

from server.kernel import idempotency
from server.kernel.idempotency import Answer, Claim
from server.kernel.limits import Ask, admit_all
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
from server.kernel.viewer import VISITOR, Viewer

Access: TypeAlias = Literal["anyone", "user", "admin"]
Body = TypeVar("Body")
Query = TypeVar("Query")

MAX_BODY_BYTES = 256 * 1024
JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
# No longer than an item may be seen after it was retracted.
PUBLIC = "public, max-age=1, must-revalidate"
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


# What one address may ask for altogether, for all who are signed in behind it.
BY_ADDRESS = Limit(1000, 10, "address")


class Operation(Struct, frozen=True, kw_only=True):
    """One endpoint: the source of its route and of its documentation."""

    method: Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    handler: Handler
    access: Access = "anyone"
    # A POST of somebody who is signed in may carry an Idempotency-Key; this one must.
    needs_key: bool = False
    body: type | None = None
    query: type | None = None
    # None: the handler makes its own response.
    returns: Any = None
    status: int = 200
    problems: tuple[type[Problem], ...] = ()
    limit: Limit | None = None
    # A GET whose answer has an ETag, so that its reader can ask whether it still holds.
    etag: bool = False
    # Visitors all get the same answer: caches between may keep it for a moment.
    public: bool = False
    tag: str = ""

    DEFAULT_READ: ClassVar[Limit] = Limit(200, 10)
    DEFAULT_WRITE: ClassVar[Limit] = Limit(50, 10)

    @property
    def name(self) -> str:
        """A stable name for documents and clients: `put_items_id_like`."""
        words = re.findall(r"[a-z0-9]+", self.path)
        return "_".join([self.method.lower(), *words])

    @property
    def takes_key(self) -> bool:
        """Whether a request may say by an Idempotency-Key that it is the same as another."""
        return self.method == "POST" and self.access != "anyone"

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
        key = self._key(request)
        raw = await read_body(request) if self._decode_body is not None else b""
        call: Call[Any, Any] = Call(
            request=request,
            services=request.scope["lumen.services"],
            viewer=viewer,
            path=request.path_params,
            query=self._query(request),
            body=self._body(raw),
        )
        if key is None:
            return await self._answer(call)
        content = hashlib.sha256(request.url.query.encode() + b"\0" + raw).digest()
        return await self._answer_once(call, Claim(viewer, request.url.path, key, content))

    async def _answer(self, call: Call[Any, Any]) -> Response:
        request = call.request
        result = await self._operation.handler(call)
        response = result if isinstance(result, Response) else self._response(request, result)
        for name, value in call.headers:
            response.headers.append(name, value)
        return response

    async def _answer_once(self, call: Call[Any, Any], claim: Claim) -> Response:
        """Act and answer, unless that was done before: then give the answer of that time."""
        services = call.services
        async with services.database.begin() as db:
            known = await idempotency.claim(db, claim, services.clock.now())
            if known is not None:
                headers = {"cache-control": "no-store", idempotency.REPLAYED: "true"}
                return Response(known.content, known.status, headers, media_type=JSON)
            call.services = services.within(db)
            response = await self._answer(call)
            answer = Answer(response.status_code, bytes(response.body))
            await idempotency.keep(db, claim, answer)
        services.bell.ring()
        return response

    def _key(self, request: Request) -> str | None:
        operation = self._operation
        given = request.headers.get(idempotency.HEADER)
        if not operation.takes_key or given is None:
            if operation.needs_key:
                raise Malformed("Send an Idempotency-Key: done twice, this would undo itself.")
            return None
        return idempotency.checked(given)

    async def _limit(self, request: Request, viewer: Viewer) -> None:
        """Count the request; what has no limit of its own shares one with the others."""
        operation = self._operation
        limit, name = operation.limit, operation.name
        if limit is None:
            reads = operation.method in {"GET", "HEAD", "OPTIONS"}
            limit = operation.DEFAULT_READ if reads else operation.DEFAULT_WRITE
            name = "read" if reads else "write"
        address: str = request.scope.get("lumen.client", "")
        asks = [Ask(name, address, limit)]
        if limit.by == "viewer" and viewer.id is not None:
            # Many accounts behind one address draw on it together as well.
            asks = [Ask(name, str(viewer.id), limit), Ask("address", address, BY_ADDRESS)]
        services: Services = request.scope["lumen.services"]
        request.scope["lumen.limits"] = await admit_all(services, asks)

    def _query(self, request: Request) -> Any:
        kind = self._operation.query or Nothing
        given = dict(request.query_params)
        check_text(given, "the query")
        try:
            return msgspec.convert(given, kind, strict=False)
        except msgspec.ValidationError as error:
            raise Malformed(f"In the query: {error}.") from error

    def _body(self, raw: bytes) -> Any:
        if self._decode_body is None:
            return Nothing()
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
        headers = self._keeping(request)
        if self._operation.etag or self._operation.public:
            # Of the bytes sent (rulings 2): two readers never share an answer by mistake.
            headers["etag"] = etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            if matches(etag, request.headers.get("if-none-match", "")):
                return Response(status_code=304, headers=headers)
        return Response(content, self._operation.status, headers, media_type=JSON)

    def _keeping(self, request: Request) -> dict[str, str]:
        """Say who may keep the answer (M-29): a person's not even their own browser."""
        operation = self._operation
        if operation.public:
            kept = PUBLIC if request.scope["lumen.viewer"] == VISITOR else "private, no-store"
            return {"cache-control": kept, "vary": "authorization, cookie"}
        if operation.etag and request.scope["lumen.viewer"] == VISITOR:
            return {"cache-control": "private, no-cache"}
        return {"cache-control": "no-store"}


def matches(etag: str, given: str) -> bool:
    """Whether If-None-Match names this ETag, weak or not (RFC 9110 section 13.1.2)."""
    if given.strip() == "*":
        return True
    return etag in {each.strip().removeprefix("W/") for each in given.split(",")}


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
