"""How long a page of News takes through HTTP, cold and warm (rulings 11 and 14).

    python -m tests.bench.feed_page [ITEMS] [PAGES]

Cold: a new session on a node that keeps nothing yet; warm: the second page of the same session.
Also the arithmetic alone: one slide out of a pool of 500, without HTTP.
"""

import asyncio
import http.client
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import numpy as np

from realtime import Publisher
from realtime.pubsub.redis import RedisPubSub
from server.feed.model import Retract
from server.feed.node import GONE, POOL_TOPIC
from server.ranking import (
    Candidate,
    Neighbour,
    Neighbourhood,
    Past,
    Slide,
    assemble,
    pool_of,
)
from tests.bench.stage import Stage, conditions, in_loop, percentiles, stage

LIMIT = 10
SETTLE_SECONDS = 15.0


def main(items: int = 100_000, pages: int = 200) -> None:
    """Print the figures."""
    print(f"feed page · {conditions()} · {items:,} items · {LIMIT} slides a page", flush=True)
    print(f"  one slide, arithmetic alone        {percentiles(slides_alone())}")
    with stage(prepare=f"tests.bench.archive {items}") as ready:
        in_loop(measure(ready, pages))


async def measure(ready: Stage, pages: int) -> None:
    """Ask for first and second pages, one reader at a time."""
    pubsub = RedisPubSub(ready.redis_url, subscribe=False)
    await pubsub.start()
    publisher = Publisher(pubsub)
    reader = Reader(ready.url)
    cold, first, second = [], [], []
    for _ in range(10):
        reader.page(None)
    for _ in range(pages):
        # The node forgets its pool and every neighbourhood, as if it had just been started.
        await publisher.broadcast(POOL_TOPIC, GONE, Retract([]))
        await asyncio.sleep(0.05)
        seconds, _ = reader.page(None)
        cold.append(seconds)
    await pubsub.stop()
    # A node asks ahead for what is near the items of its pool; a warm one has done so.
    await asyncio.sleep(SETTLE_SECONDS)
    for _ in range(pages):
        seconds, cursor = reader.page(None)
        first.append(seconds)
        seconds, _ = reader.page(cursor)
        second.append(seconds)
    print(f"  cold: new session, empty caches    {percentiles(cold)}")
    print(f"  first page of a session, warm node {percentiles(first)}")
    print(f"  warm: second page of the session   {percentiles(second)}")


class Reader:
    """One reader on one connection."""

    def __init__(self, url: str) -> None:
        self._line = http.client.HTTPConnection(urlsplit(url).netloc)

    def page(self, cursor: str | None) -> tuple[float, str]:
        """Ask for a page; gives the seconds it took and the cursor after it."""
        began = time.perf_counter()
        after = f"&cursor={cursor}" if cursor else ""
        self._line.request("GET", f"/feed/news?limit={LIMIT}{after}")
        answer = self._line.getresponse()
        body = answer.read()
        took = time.perf_counter() - began
        page = json.loads(body)
        assert len(page["slides"]) == LIMIT, body[:500]
        return took, page["cursor"]


def slides_alone(count: int = 120) -> list[float]:
    """Time the assembly of one session's slides from a full pool."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    chance = np.random.default_rng(1)
    kinds = ("ARTICLE", "TWEET", "COMMENT", "VIDEO")
    everything = [
        Candidate(
            id=UUID(int=number),
            kind=kinds[number % 4],
            maker=f"maker {number % 90}",
            story=UUID(int=number),
            category=f"topic {number % 8}",
            sort_at=now - timedelta(minutes=number),
        )
        for number in range(1, 4000)
    ]
    pool = pool_of([each for each in everything if each.kind == "ARTICLE"], everything, at=now)
    around = {}
    for each in pool.featured:
        near = chance.choice(len(everything), 40, replace=False)
        cosines = np.sort(chance.uniform(0.3, 0.9, 40))[::-1]
        around[each.id] = Neighbourhood(
            tuple(
                Neighbour(everything[place], float(cosine))
                for place, cosine in zip(near, cosines, strict=True)
            ),
            chance.uniform(0, 1, (40, 40)).astype(np.float32),
        )
    past, took = Past(), []
    for seq in range(count):
        began = time.perf_counter()
        slide = assemble(pool, around, past, seed=seq.to_bytes(4))
        took.append(time.perf_counter() - began)
        assert isinstance(slide, Slide)
        past = past.after(slide)
    return took


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
