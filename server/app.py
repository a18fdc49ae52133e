"""Puts the app together: services, the realtime endpoint, routes, the page, the documents."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from realtime import ConnectInfo, Endpoint, Limits, Socket
from realtime.pubsub.redis import RedisPubSub
from realtime.telemetry import Telemetry
from server import documents, health, observability
from server.auth import Issuer, identify_request, outdated
from server.bootstrap import required_urls, services_of
from server.catalog import CHANNELS, OPERATIONS
from server.comments import room as item_room
from server.feed import node as feed_node
from server.front import Front
from server.kernel.endpoint import Edge, Operation, problem_response
from server.kernel.problems import NotFound, Problem
from server.kernel.services import Policy, Services
from server.kernel.viewer import Viewer
from server.settings import Settings, SettingsError, listed, rates_of
from server.socket import RATES, UserSocket

STATIC = Path(__file__).parent / "static"
# npm's own file, from wherever npm put it: beside the project, or in the image.
PHOENIX = Path(__file__).parents[1] / "node_modules" / "phoenix" / "priv" / "static" / "phoenix.mjs"
WEBSOCKET_PATH = "/socket/websocket"
LONGPOLL_PATH = "/socket/longpoll"
EVENT_STREAM_PATH = "/socket/sse"
ALLOWED_HEADERS = (
    "authorization",
    "content-type",
    "x-csrf-token",
    "if-none-match",
    "idempotency-key",
    "x-phoenix-authtoken",
    # Of resumable uploads, as the tus protocol has them.
    *("tus-resumable", "upload-length", "upload-offset", "upload-metadata", "upload-checksum"),
)

EXPOSED_HEADERS = (
    *("etag", "x-request-id", "retry-after", "ratelimit", "ratelimit-policy"),
    *("location", "tus-resumable", "tus-version", "upload-offset", "upload-length"),
    *("upload-expires", "upload-key"),
)

ALL_OPERATIONS: tuple[Operation, ...] = (*OPERATIONS, *health.operations)


class MethodNotAllowed(Problem):
    """Another method is taken at this address; Allow says which."""

    status = 405


class Node:
    """What one web process holds while it runs."""

    def __init__(self, settings: Settings) -> None:
        _, redis_url = required_urls(settings)
        check_rates(settings)
        self._settings = settings
        self._services: Services | None = None
        self.leaving = health.Leaving()
        self.telemetry = Telemetry(observability.on_realtime)
        self.endpoint = Endpoint(
            self._make_socket,
            pubsub=RedisPubSub(redis_url, telemetry=self.telemetry),
            limits=RATES if settings.rate_limits else Limits(),
            check_origin=origins_of(settings),
            telemetry=self.telemetry,
            secrets=settings.secret_key,
        )

    @property
    def services(self) -> Services:
        """The services, which are there from startup on."""
        if self._services is None:
            raise RuntimeError("The app has not started: its lifespan must run first.")
        return self._services

    async def give_notice(self) -> None:
        """Be ready no more, and serve on until proxies have taken notice."""
        self.leaving.said = True
        await asyncio.sleep(self._settings.stop_notice_seconds)

    def _make_socket(self, info: ConnectInfo) -> Socket:
        return UserSocket(info, self.services)

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Open everything, serve, close everything in the reverse order."""
        async with contextlib.AsyncExitStack() as stack:
            self._services = await stack.enter_async_context(
                services_of(self._settings, self.endpoint)
            )
            self._services.parts[health.Leaving] = self.leaving
            await stack.enter_async_context(self.endpoint)
            await stack.enter_async_context(feed_node.running(self._services, self.endpoint))
            await stack.enter_async_context(item_room.running(self._services, self.endpoint))
            await stack.enter_async_context(outdated.running(self._services, self.endpoint))
            await self._open_issuer(stack)
            measuring = asyncio.create_task(observability.measure_forever(self._services))
            stack.callback(measuring.cancel)
            yield

    async def _open_issuer(self, stack: contextlib.AsyncExitStack) -> None:
        """Be ready to ask who vouches for people, where that is set up."""
        policy = self.services.policy
        if policy.google is None:
            return
        back = f"{policy.page_url.rstrip('/')}/auth/google/callback"
        issuer = Issuer(policy.google, back, self.services.clock)
        stack.push_async_callback(issuer.close)
        self.services.parts[Issuer] = issuer


class Doors:
    """Sends websockets to the realtime endpoint and everything else to the routes."""

    def __init__(self, app: ASGIApp, endpoint: Endpoint) -> None:
        self._app = app
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "lifespan" and scope["path"] == WEBSOCKET_PATH:
            await self._endpoint.websocket(scope, receive, send)
            return
        await self._app(scope, receive, send)


def create_app(settings: Settings) -> Starlette:
    """Build the web app; its lifespan opens the connections."""
    node = Node(settings)
    middleware = [
        Middleware(Front, services=lambda: node.services, identify=_who_asks),
        Middleware(Doors, endpoint=node.endpoint),
    ]
    if settings.cors_origins:
        middleware.insert(
            1,
            Middleware(
                CORSMiddleware,
                allow_origins=listed(settings.cors_origins),
                allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=ALLOWED_HEADERS,
                expose_headers=EXPOSED_HEADERS,
                allow_credentials=True,
                max_age=3600,
            ),
        )
    app = Starlette(
        routes=_routes(node.endpoint),
        middleware=middleware,
        lifespan=node.lifespan,
        exception_handlers={HTTPException: _on_http_exception, Problem: _on_problem},
    )
    app.state.node = node
    return app


def _who_asks(policy: Policy, request: Request) -> Viewer:
    services: Services = request.scope["lumen.services"]
    return identify_request(
        policy, request, outdated=lambda claims: outdated.covers(services, claims)
    )


# Limits that no operation has for itself.
_SHARED_LIMITS = frozenset({"read", "write", "address", "signup"})


def check_rates(settings: Settings) -> None:
    """Let nobody believe in a limit that holds nowhere.

    Raises:
        SettingsError: RATES names a limit that there is not.

    """
    own = {each.name for each in ALL_OPERATIONS if each.limit is not None}
    unknown = sorted(rates_of(settings.rates).keys() - own - _SHARED_LIMITS)
    if unknown:
        raise SettingsError(
            f"RATES names {', '.join(unknown)}: there is no such limit, docs/limits.md has them."
        )


def origins_of(settings: Settings) -> list[str]:
    """Which pages may open sockets: our own, and those that the operator lists."""
    own = [settings.public_url] if settings.public_url else []
    return ["self", *own, *listed(settings.cors_origins)]


def _routes(endpoint: Endpoint) -> list[BaseRoute]:
    return [
        *(Route(o.path, Edge(o).__call__, methods=[o.method], name=o.name) for o in ALL_OPERATIONS),
        *documents.routes(ALL_OPERATIONS, CHANNELS),
        Route(LONGPOLL_PATH, endpoint.longpoll, name="longpoll"),
        Route(EVENT_STREAM_PATH, endpoint.sse, name="event-stream"),
        Route("/", _page, methods=["GET"]),
        Route("/admin", _admin_page, methods=["GET"]),
        Route("/static/vendor/phoenix.mjs", _phoenix, methods=["GET"]),
        Mount("/static", StaticFiles(directory=STATIC, check_dir=False), name="static"),
    ]


async def _page(_request: Request) -> Response:
    return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})


async def _admin_page(_request: Request) -> Response:
    return FileResponse(STATIC / "admin.html", headers={"cache-control": "no-cache"})


async def _phoenix(_request: Request) -> Response:
    if not PHOENIX.is_file():
        raise NotFound("The phoenix client is not installed: run `npm install`, or `make setup`.")
    headers = {"cache-control": "public, max-age=86400"}
    return FileResponse(PHOENIX, media_type="text/javascript", headers=headers)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Tell Starlette's own refusals, which are those of routing, as ours are told."""
    status = getattr(error, "status_code", 404)
    problem: Problem = NotFound(f"Nothing is at {request.url.path}.")
    if status == MethodNotAllowed.status:
        problem = MethodNotAllowed()
        problem.headers.update(getattr(error, "headers", None) or {})
    return problem_response(problem, request.scope.get("lumen.request_id", ""))


async def _on_problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, Problem):
        raise error
    return problem_response(error, request.scope.get("lumen.request_id", ""))
