"""SIGKILL of who posts, at seeded moments: sent again by its key, each post is there once."""

import multiprocessing
import random
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from server.kernel.services import Services
from tests.integration.conftest import SECRET
from tests.integration.posting import post_until_killed
from tests.people import a_user

SEED = 20_261_120
MOMENTS = 20
AFTER_THE_LAST = 10

_children = multiprocessing.get_context("forkserver")
_children.set_forkserver_preload(["tests.integration.posting"])
_CHECK = text(
    """
    select (select count(*) from content.items) as posts,
           (select count(distinct body_text) from content.items) as bodies,
           (select count(*) from ops.outbox where topic = 'post.created') as told,
           (select count(*) from ops.idempotency_keys where answer is not null) as kept,
           (select count(*) from ops.idempotency_keys) as keys,
           (select post_count from content.users) as counted
    """
)


def _start(*arguments: Any) -> Any:
    process = _children.Process(target=post_until_killed, args=arguments, daemon=True)
    process.start()
    return process


@pytest.mark.anyio
@pytest.mark.row("K14")
async def test_who_is_killed_while_posting_posts_nothing_twice(
    services: Services, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with services.database.begin() as db:
        author = (await a_user(db, "ada")).id
    environ = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": SECRET,
        "LUMEN_HOME": str(tmp_path / "lumen"),
        "RATE_LIMITS": "false",
    }
    done, chance = tmp_path / "done", random.Random(SEED)  # noqa: S311
    done.touch()
    for _ in range(MOMENTS):
        before = done.stat().st_size
        process = _start(environ, done, author, before + 10_000)
        deadline = time.monotonic() + 30
        while done.stat().st_size == before:
            assert process.is_alive(), "the process ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.002)  # noqa: ASYNC251 - nothing else runs in this loop
        time.sleep(chance.uniform(0, 0.1))  # noqa: ASYNC251 - as above
        process.kill()
        process.join()
        assert process.exitcode == -9
    total = done.stat().st_size + AFTER_THE_LAST
    last = _start(environ, done, author, total)
    last.join()
    assert last.exitcode == 0
    async with services.database.read() as db:
        assert set((await db.execute(_CHECK)).one()) == {total}
