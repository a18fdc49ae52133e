"""Likes a second on one item, over HTTP and as shipped; and how soon a removed one is gone.

    python -m tests.bench.hot_item [LIKES] [CONNECTIONS] [--workers N]

Every like is another person's PUT with a bearer token of their own, counted against limits of
their own, with its event: answered when it is committed. The limit of the one address that all of
them come from is raised by its setting. Beside it, in the same run and on the same PostgreSQL, what
the obvious design does: the edge, and `update … set likes = likes + 1` of the one row.
"""

import argparse
import asyncio
import os
import time
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx2

from server import auth
from server.kernel.clock import SystemClock
from server.kernel.ids import new_id
from server.kernel.services import Policy
from server.kernel.viewer import Viewer
from tests.bench.stage import SECRET, Stage, conditions, in_loop, percentiles, stage

ITEMS = 200
HOT_ROW_SECONDS = 4.0
RETRACTIONS = 30
SETTINGS = {"RATE_LIMITS": "true", "RATES": "address=1000000/1"}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("likes", type=int, nargs="?", default=20_000)
    parser.add_argument("connections", type=int, nargs="?", default=64)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    print(
        f"one hot item · {conditions()} · {given.likes:,} likes over {given.connections}"
        f" connections · {given.workers} web process(es)",
        flush=True,
    )
    prepare = f"tests.bench.archive {ITEMS}"
    with stage(pulse=True, prepare=prepare, more=SETTINGS, workers=given.workers) as ready:
        in_loop(measure(ready, given.likes, given.connections))


async def measure(ready: Stage, likes: int, connections: int) -> None:
    """Like, compare, and remove."""
    database = await asyncpg.connect(ready.database_url)
    rows = await database.fetch("select id from content.items where kind = 'ARTICLE' limit 100")
    item, *others = [UUID(str(row["id"])) for row in rows]
    people = [new_id() for _ in range(likes)]
    await database.execute(
        "insert into content.users (id, username, email, display_name)"
        " select id, 'u' || n, 'u' || n || '@example.org', 'Reader ' || n"
        " from unnest($1::uuid[]) with ordinality as given (id, n)",
        people,
    )
    await hot_row(ready, "before", people, connections)
    asked = [request(ready.url, item, user) for user in people]
    await drive(ready.url, asked[: likes // 10], connections)
    seconds, answered = await drive(ready.url, asked[likes // 10 :], connections)
    print(f"  likes, answered when committed     {len(answered) / seconds:7.0f} /s   ", end="")
    print(percentiles(answered), flush=True)
    await compare(database, item, likes)
    await hot_row(ready, "after", people, connections)
    await retract(ready, others, people[0], database)
    await database.close()


async def compare(database: asyncpg.Connection, item: UUID, likes: int) -> None:
    """See that the counter comes to the edges."""
    began = time.perf_counter()
    counted = None
    while counted != likes and time.perf_counter() - began < 20:
        counted = await database.fetchval(
            "select likes from engage.item_counters where item_id = $1", item
        )
        await asyncio.sleep(0.02)
    edges = await database.fetchval("select count(*) from engage.likes where item_id = $1", item)
    print(f"  counter {counted:,}, edges {edges:,}, {time.perf_counter() - began:.2f} s later")


def request(url: str, item: UUID, user: UUID) -> bytes:
    """Write a like as it goes over the wire."""
    policy = Policy(secret=SECRET, access_token_seconds=3600)
    token = auth.access_token(policy, Viewer(user, "user"), new_id(), SystemClock().now())
    return (
        f"PUT /items/{item}/like HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


class Liker(asyncio.Protocol):
    """A connection that sends the next request as soon as the last one was answered."""

    def __init__(self, waiting: list[bytes], answered: list[float]) -> None:
        self._waiting, self._answered = waiting, answered
        self._got = b""
        self._began = 0.0
        self._transport: Any
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first one."""
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        """Take an answer; ours is JSON and comes in one piece, or in two."""
        self._got += data
        head, _, body = self._got.partition(b"\r\n\r\n")
        if not body.endswith(b"}"):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(self._got.decode()))
            self._transport.close()
            return
        self._answered.append(time.perf_counter() - self._began)
        self._got = b""
        self._next()

    def connection_lost(self, _error: Exception | None) -> None:
        """Say so, if it was not meant."""
        if not self.done.done():
            self.done.set_exception(ConnectionError("the server hung up"))

    def _next(self) -> None:
        if not self._waiting:
            if not self.done.done():
                self.done.set_result(None)
            self._transport.close()
            return
        self._began = time.perf_counter()
        self._transport.write(self._waiting.pop())


async def drive(url: str, asked: list[bytes], connections: int) -> tuple[float, list[float]]:
    """Send every request once, each connection one after the other."""
    host, port = urlsplit(url).netloc.split(":")
    waiting, answered = list(reversed(asked)), []
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    likers = [
        (await loop.create_connection(lambda: Liker(waiting, answered), host, int(port)))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(liker.done for liker in likers))
    return time.perf_counter() - began, answered


async def hot_row(ready: Stage, when: str, people: list[UUID], connections: int) -> None:
    """Do what the obvious design does, straight in the database, without HTTP or anything else."""
    pool = await asyncpg.create_pool(ready.database_url, min_size=1, max_size=min(connections, 25))
    await pool.execute("create table if not exists bench_item (id int primary key, likes int)")
    await pool.execute("create table if not exists bench_like (run text, user_id uuid)")
    await pool.execute("create unique index if not exists bench_once on bench_like (run, user_id)")
    await pool.execute("insert into bench_item values (1, 0) on conflict do nothing")
    waiting, done = list(people), []
    end = time.perf_counter() + HOT_ROW_SECONDS

    async def one() -> None:
        while waiting and time.perf_counter() < end:
            user, began = waiting.pop(), time.perf_counter()
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("insert into bench_like values ($1, $2)", when, user)
                await connection.execute("update bench_item set likes = likes + 1 where id = 1")
            done.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(min(connections, 25))))
    rate = len(done) / (time.perf_counter() - began)
    print(f"  hot row updated, in SQL alone      {rate:7.0f} /s   {percentiles(done)}", flush=True)
    await pool.close()


async def retract(
    ready: Stage, items: list[UUID], admin: UUID, database: asyncpg.Connection
) -> None:
    """Remove items as a moderator does, and see how long open screens still have them."""
    from tests.bench.likes import watch  # noqa: PLC0415 - of this part only

    await database.execute("update content.users set role = 'admin' where id = $1", admin)
    policy = Policy(secret=SECRET, access_token_seconds=3600)
    token = auth.access_token(policy, Viewer(admin, "admin"), new_id(), SystemClock().now())
    screen = await watch(ready, str(items[0]))
    arrived = asyncio.Event()
    screen.on_frame = lambda data: arrived.set() if b'"retract"' in data else None
    times = []
    async with httpx2.AsyncClient(base_url=ready.url) as http:
        http.headers["authorization"] = f"Bearer {token}"
        for item in items[:RETRACTIONS]:
            arrived.clear()
            began = time.perf_counter()
            answer = await http.put(f"/admin/items/{item}", json={"state": "removed"})
            assert answer.status_code == 200, answer.text
            async with asyncio.timeout(10):
                await arrived.wait()
            times.append(time.perf_counter() - began)
            gone = await http.get(f"/items/{item}", headers={"authorization": ""})
            assert gone.status_code == 404, gone.text
    print(f"  removed, until a screen is told    {' ' * 12}{percentiles(times)}")
    screen.close()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
