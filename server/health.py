"""Whether the process lives, whether it can serve, and its numbers."""

import asyncio
from typing import Literal

from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from server.kernel import metrics
from server.kernel.endpoint import Call, Nothing, Operation
from server.kernel.problems import Unavailable
from server.kernel.services import Services

PROBE_SECONDS = 2.0


class Leaving(Struct):
    """Whether this process has been told to stop."""

    said: bool = False


class Health(Struct, frozen=True):
    """The process answers."""

    status: Literal["ok"] = "ok"


async def healthz(_call: Call[Nothing, Nothing]) -> Health:
    """Say that the process lives; it says nothing of its stores, so an outage restarts nobody."""
    return Health()


async def readyz(call: Call[Nothing, Nothing]) -> Health:
    """Say whether PostgreSQL and Redis answer, so that a proxy sends readers here."""
    leaving = call.services.parts.get(Leaving)
    if leaving is not None and leaving.said:
        raise Unavailable("This server is about to stop.")
    failed = [name for name, good in (await _probe(call.services)).items() if not good]
    if failed:
        raise Unavailable(f"{' and '.join(failed)} did not answer in {PROBE_SECONDS:g} s.")
    return Health()


async def numbers(_call: Call[Nothing, Nothing]) -> Response:
    """Give every metric in the text format of Prometheus."""
    return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)


async def _probe(services: Services) -> dict[str, bool]:
    return {"PostgreSQL": await _postgres(services), "Redis": await _redis(services)}


async def _postgres(services: Services) -> bool:
    try:
        async with asyncio.timeout(PROBE_SECONDS), services.database.read() as db:
            await db.execute(text("select 1 from public.alembic_version"))
    except (OSError, TimeoutError, SQLAlchemyError):
        return False
    return True


async def _redis(services: Services) -> bool:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await services.redis.ping()
    except (OSError, TimeoutError, RedisError):
        return False
    return True


operations = [
    Operation(method="GET", path="/healthz", handler=healthz, returns=Health, tag="operator"),
    Operation(
        method="GET",
        path="/readyz",
        handler=readyz,
        returns=Health,
        problems=(Unavailable,),
        tag="operator",
    ),
    Operation(method="GET", path="/metrics", handler=numbers, tag="operator"),
]
