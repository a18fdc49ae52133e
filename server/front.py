"""What every request passes on its way in and every answer on its way out.

A request gets an id, its client's address and its viewer; an answer gets its security headers; a
refusal becomes a problem document; anything else that goes wrong ends this one request, with its
id, and is logged. One log line and one observation a request.
"""

import functools
import ipaddress
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.kernel import metrics
from server.kernel.endpoint import problem_response
from server.kernel.logs import log
from server.kernel.problems import Problem
from server.kernel.services import Policy, Services
from server.kernel.viewer import VISITOR, Viewer

Identify = Callable[[Policy, Request], Viewer]

_log = log("http")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics", "/socket/longpoll", "/socket/sse"})
# A socket's client brings a token of its own, whichever transport it comes by: no cookie counts.
_SOCKETS = "/socket/"
_REQUEST_ID_LENGTH = 64

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data: blob:; "
    "media-src 'self' https: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS = (
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
)


class InternalError(Problem):
    """Something went wrong on our side; the request id helps to find it."""

    status = 500


class Front:
    """The outermost layer of the app, for HTTP and for websockets."""

    def __init__(
        self, app: ASGIApp, *, services: Callable[[], Services], identify: Identify
    ) -> None:
        self._app = app
        self._services = services
        self._identify = identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        services = self._services()
        scope["lumen.services"] = services
        scope["lumen.client"] = client_address(scope, services.policy.trusted_proxies)
        # What the realtime library takes for the peer is the client too, not the proxy.
        scope["client"] = (scope["lumen.client"], 0)
        scope["lumen.viewer"] = VISITOR
        scope["lumen.request_id"] = request_id = _request_id(scope)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            if scope["type"] == "http":
                await self._http(scope, receive, send)
            else:
                await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(scope, send)
        try:
            if not scope["path"].startswith(_SOCKETS):
                request = Request(scope, receive)
                scope["lumen.viewer"] = self._identify(scope["lumen.services"].policy, request)
            await self._app(scope, receive, answer.send)
        except Problem as problem:
            await answer.refuse(problem, receive)
        except Exception:
            _log.exception("request_failed", endpoint=answer.endpoint())
            if answer.started:
                raise
            await answer.refuse(InternalError(), receive)
        finally:
            answer.observe()


class _Answer:
    """The answer to one request, on its way out."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._began = time.perf_counter()
        self._status = 500
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self._scope["lumen.request_id"]
            for name, value in self._scope.get("lumen.limits", {}).items():
                headers[name] = value
            for name, value in SECURITY_HEADERS:
                headers.setdefault(name, value)
        await self._send(message)

    async def refuse(self, problem: Problem, receive: Receive) -> None:
        response = problem_response(problem, self._scope["lumen.request_id"])
        await response(self._scope, receive, self.send)

    def endpoint(self) -> str:
        """The route's pattern: a path with ids in it would make a series of every item."""
        route: Any = self._scope.get("route")
        return str(getattr(route, "path", "unrouted"))

    def observe(self) -> None:
        seconds = time.perf_counter() - self._began
        endpoint, method = self.endpoint(), self._scope["method"]
        metrics.http_requests.labels(method, endpoint, str(self._status)).inc()
        metrics.http_seconds.labels(endpoint).observe(seconds)
        if self._scope["path"] in _QUIET:
            return
        viewer: Viewer = self._scope["lumen.viewer"]
        _log.info(
            "request_done",
            method=method,
            operation=endpoint,
            status=self._status,
            ms=round(seconds * 1000, 1),
            user_id=str(viewer.id) if viewer.id else None,
        )


def client_address(scope: Scope, trusted: tuple[str, ...]) -> str:
    """Give the client's address; a proxy's word counts only when the proxy is trusted (rulings 29).

    Of a chain of proxies the last one that is not trusted is the client.
    """
    peer: str = (scope.get("client") or ("", 0))[0]
    networks = _networks(trusted)
    if not networks or not _within(peer, networks):
        return peer
    headers = Headers(scope=scope)
    single = headers.get("fly-client-ip")
    if single:
        return single.strip()
    for hop in reversed(headers.get("x-forwarded-for", "").split(",")):
        address = hop.strip()
        if address and not _within(address, networks):
            return address
    return peer


@functools.lru_cache(maxsize=8)
def _networks(trusted: tuple[str, ...]) -> list[Any]:
    return [ipaddress.ip_network(network, strict=False) for network in trusted]


def _within(address: str, networks: Iterable[Any]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def _request_id(scope: Scope) -> str:
    """Take the caller's request id when it is plain, else make one."""
    given = Headers(scope=scope).get("x-request-id", "")
    if given and len(given) <= _REQUEST_ID_LENGTH and given.replace("-", "").isalnum():
        return given
    return secrets.token_hex(8)
