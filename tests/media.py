"""The media operations by themselves, for tests that need no database."""

from types import SimpleNamespace

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from server.kernel.endpoint import Edge, problem_response
from server.kernel.problems import Problem
from server.kernel.storage import Storage
from server.kernel.viewer import VISITOR
from server.media import http


def serving(storage: Storage) -> ASGIApp:
    """An app of nothing but the media operations, over a storage."""
    services = SimpleNamespace(storage=storage, policy=SimpleNamespace(rate_limits=False))
    routes = [
        Route(each.path, _endpoint(Edge(each)), methods=[each.method]) for each in http.operations
    ]
    app = Starlette(routes=routes)

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "lumen.viewer": VISITOR, "lumen.services": services}, receive, send)

    return front


def _endpoint(edge: Edge) -> object:
    async def endpoint(request: Request) -> Response:
        try:
            return await edge(request)
        except Problem as problem:
            return problem_response(problem)

    return endpoint
