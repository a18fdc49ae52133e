"""A process that posts, each post under a key of its own, until it is killed."""

import asyncio
from io import FileIO
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from starlette.applications import Starlette
from starlette.routing import Route

from server.bootstrap import services_of
from server.display import writing
from server.kernel.endpoint import Edge
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.settings import load


def post_until_killed(environ: dict[str, str], done: Path, author: UUID, most: int) -> None:
    """Post number after number, from the first whose answer did not arrive."""
    with done.open("ab", buffering=0) as log:
        asyncio.run(_post(environ, range(done.stat().st_size, most), log, author))


async def _post(environ: dict[str, str], numbers: range, log: FileIO, author: UUID) -> None:
    async with services_of(load(environ)) as services:
        transport = httpx2.ASGITransport(app=_app(services, Viewer(author, "user")))
        async with httpx2.AsyncClient(transport=transport, base_url="http://lumen.test") as client:
            for number in numbers:
                answer = await client.post(
                    "/posts",
                    json={"body": f"Number {number}"},
                    headers={"idempotency-key": f"key-{number}"},
                )
                if answer.status_code != 201:
                    raise RuntimeError(answer.text)
                # One byte a post: what was written is there however the process ends.
                log.write(b".")


def _app(services: Services, viewer: Viewer) -> Any:
    (create,) = (each for each in writing.operations if each.method == "POST")
    inner = Starlette(routes=[Route(create.path, Edge(create).__call__, methods=["POST"])])

    async def front(scope: Any, receive: Any, send: Any) -> None:
        scope["lumen.viewer"], scope["lumen.services"] = viewer, services
        await inner(scope, receive, send)

    return front
