"""How long a page of the Following feed takes, and how fast posts are written into timelines.

    python -m tests.bench.following [USERS] [POSTS] [PAGES]

Through HTTP, as shipped: for a reader of three quiet people, of 300, of 2,000, and of 300 with
twenty celebrities. Beside it, in the same run and on the same rows, without HTTP: the join that one
would write first, and the read that a timeline is rebuilt by.
"""

import argparse
import http.client
import json
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg

from server import auth
from server.bootstrap import services_of
from server.kernel.clock import SystemClock
from server.kernel.database import listen_url
from server.kernel.ids import new_id
from server.kernel.services import Policy, Services
from server.kernel.viewer import Viewer
from server.settings import load
from server.timelines import Entry, FanOut, Key, store
from server.timelines.lists import key_of
from server.timelines.model import TOP, micros
from tests.bench.archive import make_months
from tests.bench.stage import SECRET, Stage, conditions, in_loop, percentiles, stage

DAYS = 60
LIMIT = 50
QUIET, STARS = 3, 20
STAR_FOLLOWERS = 12_000
BACKGROUND = 10
NAIVE_SECONDS = 5.0
COLD = 20

# A user's id by number, and an item's by number and time: no row has to be sent.
_FUNCTIONS = """
create function pg_temp.person(n bigint) returns uuid language sql immutable as
  $$ select md5('person ' || n)::uuid $$;
create function pg_temp.item(n bigint, at timestamptz) returns uuid language sql immutable as
  $$ select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7'
    || substr(md5(n::text), 1, 3) || '8' || substr(md5('item ' || n), 1, 15))::uuid $$;
"""
# The last people write little or much: three quiet ones, then the stars; all others write alike.
_PEOPLE = """
insert into content.users (id, username, email, display_name)
select pg_temp.person(n), 'p' || n, 'p' || n || '@example.org', 'Person ' || n
from generate_series(1, $1::bigint) n
"""
_POSTS = """
insert into content.items
  (id, kind, author_id, body_text, story_id, published_at, first_seen_at)
select pg_temp.item(n, at), 'TWEET', pg_temp.person(
    case when n <= 3 * $4::bigint then $1::bigint - $5::bigint - 1 - n % $4::bigint
         when n % 500 = 0 then $1::bigint - n / 500 % $5::bigint
         else 1 + n * 7919 % ($1::bigint - $4::bigint - $5::bigint - 1) end),
  'Post ' || n || ' says something, and then it says a little more about that.',
  pg_temp.item(n, at), at, at
from generate_series(1, $2::bigint) n,
  lateral (select $3::timestamptz + n * ($6::interval / $2::bigint)) as moment (at)
"""
_APPEARANCES = """
insert into content.appearances (item_id, actor_id, repost, "at", author_id, posted_at)
select id, author_id, false, micros, author_id, micros
from content.items, lateral (select (extract(epoch from sort_at) * 1000000)::bigint) as m (micros)
"""
_FOLLOWS = """
insert into content.follows (follower_id, followee_id)
select follower, followee from (
  select pg_temp.person(1 + n % $1::bigint) as follower,
         pg_temp.person(1 + n * 104729 % $2::bigint) as followee
  from generate_series(1, $3::bigint) n) given
where follower <> followee on conflict do nothing
"""
_FOLLOW_ONE = """
insert into content.follows (follower_id, followee_id)
select pg_temp.person(n), $1 from generate_series(1, $2::bigint) n
where pg_temp.person(n) <> $1 on conflict do nothing
"""
_READ_MANY = """
insert into content.follows (follower_id, followee_id)
select $1, pg_temp.person(n) from generate_series($2::bigint, $3::bigint) n
where pg_temp.person(n) <> $1 on conflict do nothing
"""
_COUNT = """
update content.users u set follower_count = c.count from
  (select followee_id, count(*) from content.follows group by 1 having count(*) > 900) c
where u.id = c.followee_id
"""
_PULL = """
insert into content.pulled_authors (user_id, mode, turn)
select id, 'pull', id from content.users where follower_count >= 10000
"""
_NAIVE = """
select i.id from content.items i join content.follows f on f.followee_id = i.author_id
where f.follower_id = $1 and i.state = 'live'
order by i.sort_at desc, i.id desc limit 50
"""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("users", type=int, nargs="?", default=100_000)
    parser.add_argument("posts", type=int, nargs="?", default=1_000_000)
    parser.add_argument("pages", type=int, nargs="?", default=200)
    given = parser.parse_args()
    print(
        f"following · {conditions()} · {given.users:,} users, {given.posts:,} posts in {DAYS} days"
        f" · {LIMIT} items a page",
        flush=True,
    )
    with stage() as ready:
        in_loop(measure(ready, given.users, given.posts, given.pages))


async def measure(ready: Stage, users: int, posts: int, pages: int) -> None:
    """Fill the tables, then read and write."""
    began = time.monotonic()
    db = await asyncpg.connect(listen_url(ready.database_url))
    readers, writers = await fill(db, users, posts)
    print(f"  filled in {time.monotonic() - began:.0f} s", flush=True)
    environ = os.environ | {
        "DATABASE_URL": ready.database_url,
        "REDIS_URL": ready.redis_url,
        "SECRET_KEY": SECRET,
    }
    async with services_of(load(environ)) as services:
        for name, reader in readers.items():
            await read(ready, services, db, name, reader, pages)
        for followers, writer in writers.items():
            await write(services, db, writer, followers)
    await db.close()


async def fill(
    db: asyncpg.Connection, users: int, posts: int
) -> tuple[dict[str, UUID], dict[int, UUID]]:
    """Store people, posts and follows; gives the readers and the writers that are measured."""
    now = datetime.now(UTC)
    since = now - timedelta(days=DAYS)
    await make_months(db, since, now)
    await db.execute(_FUNCTIONS)
    await db.execute("set synchronous_commit = off")
    await db.execute(_PEOPLE, users)
    await db.execute(_POSTS, users, posts, since, QUIET, STARS, now - since)
    await db.execute(_APPEARANCES)
    ordinary = users - QUIET - STARS - 1
    await db.execute(_FOLLOWS, users, ordinary, users * BACKGROUND)
    for star in range(STARS):
        await db.execute(_FOLLOW_ONE, await person(db, users - star), STAR_FOLLOWERS)
    names = ("3 quiet people", "300 people", "2,000 people", "300 and 20 stars")
    readers = {}
    for place, name in enumerate(names):
        readers[name] = new_id()
        await db.execute(
            "insert into content.users (id, username, email, display_name)"
            " values ($1, $2, $2 || '@example.org', $2)",
            readers[name],
            f"reader{place}",
        )
    quiet, stars = users - STARS - QUIET, users - STARS + 1
    for name, first, last in (
        (names[0], quiet, quiet + QUIET - 1),
        (names[1], 1, 300),
        (names[2], 1_000, 2_999),
        (names[3], 1, 300),
        (names[3], stars, users),
    ):
        await db.execute(_READ_MANY, readers[name], first, last)
    writers = {1_000: await person(db, 4_001), 9_900: await person(db, 4_002)}
    for followers, writer in writers.items():
        await db.execute("delete from content.follows where followee_id = $1", writer)
        await db.execute(_FOLLOW_ONE, writer, followers)
    await db.execute(_COUNT)
    await db.execute(_PULL)
    await db.execute("vacuum analyze")
    return readers, writers


async def person(db: asyncpg.Connection, number: int) -> UUID:
    """Give the id of a person by number."""
    return UUID(str(await db.fetchval("select pg_temp.person($1::bigint)", number)))


async def read(
    ready: Stage,
    services: Services,
    db: asyncpg.Connection,
    name: str,
    reader: UUID,
    pages: int,
) -> None:
    """Ask for pages of one reader, with a list and without one."""
    line = Line(ready.url, reader)
    cold, first, second = [], [], []
    for _ in range(COLD):
        await services.redis.delete(key_of(reader))
        cold.append(line.page(None)[0])
    for _ in range(pages):
        took, cursor = line.page(None)
        first.append(took)
        if cursor:
            second.append(line.page(cursor)[0])
    print(f"  {name}")
    print(f"    a page over HTTP                 {percentiles(first)}")
    if second:
        print(f"    the next page                    {percentiles(second)}")
    print(f"    a page without a list, built     {percentiles(cold)}")

    async def lateral() -> None:
        async with services.database.read() as connection:
            await store.newest(connection, reader, TOP, LIMIT)

    async def naive() -> None:
        await db.fetch(_NAIVE, reader)

    print(f"    LATERAL alone, by SQL            {percentiles(await timed(lateral, 50))}")
    print(f"    the join alone, by SQL           {percentiles(await timed(naive, 50))}", flush=True)


async def timed(work: Callable[[], Awaitable[None]], times: int) -> list[float]:
    """Do something some times, but not for too long; gives how long each took."""
    took: list[float] = []
    await work()
    end = time.perf_counter() + NAIVE_SECONDS
    while len(took) < times and time.perf_counter() < end:
        began = time.perf_counter()
        await work()
        took.append(time.perf_counter() - began)
    return took


async def write(services: Services, db: asyncpg.Connection, writer: UUID, followers: int) -> None:
    """Write posts of one author to followers who all have a list."""
    await services.redis.flushdb()
    fan_out = FanOut(services)
    rows = await db.fetch("select follower_id from content.follows where followee_id = $1", writer)
    readers = [UUID(str(row["follower_id"])) for row in rows]
    at = micros(datetime.now(UTC))
    # All lists together must have room in the Redis that comes with Lumen.
    length = min(500, 1_000_000 // followers)
    old = [Entry(Key(at - n, new_id(), writer), repost=False) for n in range(1, length + 1)]
    for reader in readers:
        token = await fan_out.lists.begin(reader)
        assert token is not None
        await fan_out.lists.finish(reader, token, old, at - length - 1)
    posts = 200_000 // followers
    began, worked = time.perf_counter(), time.process_time()
    for n in range(posts):
        await fan_out.push(Entry(Key(at + n, new_id(), writer), repost=False))
    took, worked = time.perf_counter() - began, time.process_time() - worked
    print(
        f"  {len(readers):,} followers with lists of {length}: {posts / took:,.1f} posts a second,"
        f" {posts * len(readers) / took:,.0f} writes a second,"
        f" {worked / posts * 1000:.1f} ms of the relay's CPU a post",
        flush=True,
    )


class Line:
    """One reader on one connection."""

    def __init__(self, url: str, reader: UUID) -> None:
        self._line = http.client.HTTPConnection(urlsplit(url).netloc)
        policy = Policy(secret=SECRET, access_token_seconds=3600)
        token = auth.access_token(policy, Viewer(reader, "user"), new_id(), SystemClock().now())
        self._headers = {"authorization": f"Bearer {token}"}

    def page(self, cursor: str | None) -> tuple[float, str | None]:
        """Ask for a page; gives the seconds it took, and the cursor if there is more."""
        began = time.perf_counter()
        after = f"&cursor={cursor}" if cursor else ""
        self._line.request("GET", f"/feed/following?limit={LIMIT}{after}", headers=self._headers)
        answer = self._line.getresponse()
        body = answer.read()
        took = time.perf_counter() - began
        page: dict[str, Any] = json.loads(body)
        assert page.get("items"), body[:500]
        return took, page["cursor"] if page["has_more"] else None


if __name__ == "__main__":
    main()
