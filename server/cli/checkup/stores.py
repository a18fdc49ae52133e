"""PostgreSQL and Redis, as the settings or the running `lumen dev` name them."""

import asyncio

import asyncpg
import redis

from server.cli.checkup.finding import Finding, fine, mind, wrong
from server.kernel.database import driver_url

_LEAST_POSTGRES = 15
_LEAST_REDIS = (6, 2)
_CONNECT_SECONDS = 5.0
_PARKED = "SELECT count(*) FROM ops.setbacks WHERE parked_at IS NOT NULL"


def database(url: str) -> list[Finding]:
    """The server, pgvector and the tables."""
    try:
        return [*asyncio.run(_ask(url)), _tables(url)]
    except (OSError, asyncpg.PostgresError, TimeoutError, ValueError) as error:
        return [
            wrong(
                f"PostgreSQL cannot be reached: {error or type(error).__name__}",
                "See that it runs and that DATABASE_URL is right.",
            )
        ]


async def _ask(url: str) -> list[Finding]:
    dsn = driver_url(url).replace("postgresql+asyncpg", "postgresql", 1)
    connection = await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS)
    try:
        number = int(await connection.fetchval("SHOW server_version_num"))
        vector = await connection.fetchval(
            "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'"
        )
        parked = 0
        if await connection.fetchval("SELECT to_regclass('ops.setbacks')") is not None:
            parked = await connection.fetchval(_PARKED)
    finally:
        await connection.close()
    return [_server(number), _vector(vector), _outbox(parked)]


def _server(number: int) -> Finding:
    version = number // 10000
    if version < _LEAST_POSTGRES:
        return wrong(f"PostgreSQL {version} is too old", f"Use {_LEAST_POSTGRES} or newer.")
    return fine(f"PostgreSQL {version}.{number % 10000} answers")


def _vector(version: str | None) -> Finding:
    if version is None:
        return wrong("PostgreSQL has no pgvector", "Install the extension `vector`, 0.8 or newer.")
    if tuple(int(part) for part in version.split(".")[:2]) < (0, 8):
        return wrong(f"pgvector {version} is too old", "0.8 brought the scans that filters need.")
    return fine(f"pgvector {version}")


def _outbox(parked: int) -> Finding:
    if parked:
        return wrong(
            f"{parked} events could not be delivered and were parked",
            "See why with `lumen worker --failed`; `lumen worker --retry` tries them again.",
        )
    return fine("No event is parked")


def _tables(url: str) -> Finding:
    from server.cli import schema

    versions = schema.versions(url)
    if versions.agree:
        return fine(f"The tables are at {versions.code}, as this code wants them")
    return wrong(
        f"The tables are at {versions.database or 'no revision'}, this code wants {versions.code}",
        "Run `lumen migrate up`.",
    )


def memory(url: str) -> list[Finding]:
    """Redis: whether it answers, its version, and whether it throws things away."""
    try:
        with redis.Redis.from_url(url, socket_timeout=_CONNECT_SECONDS) as client:
            version = str(client.info("server")["redis_version"])
            policy = str(client.info("memory").get("maxmemory_policy", "noeviction"))
    except redis.RedisError as error:
        return [
            wrong(f"Redis cannot be reached: {error}", "See that it runs and REDIS_URL is right.")
        ]
    return [_redis_version(version), _policy(policy)]


def _redis_version(version: str) -> Finding:
    if tuple(int(part) for part in version.split(".")[:2]) < _LEAST_REDIS:
        return wrong(f"Redis {version} is too old", "Use 6.2 or newer.")
    return fine(f"Redis {version} answers")


def _policy(policy: str) -> Finding:
    if policy != "noeviction":
        return mind(
            f"Redis evicts keys when it is full ({policy})",
            "Set maxmemory-policy to noeviction: a full queue should refuse, not forget.",
        )
    return fine("Redis keeps what it was given")
