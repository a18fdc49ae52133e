"""How fast posters are drawn and cards rendered, in the processes that do it.

Run as `python -m tests.bench.cards [COUNT]`. A film is timed from order to verified file, with
the start of its process; the CPU seconds are the children's, and the idle share is the machine's
while it ran, without which the wall time says little.
"""

import asyncio
import resource
import statistics
import sys
import time
from uuid import UUID

from jobs.cards.design import posters
from jobs.cards.model import CardText
from jobs.cards.studio import rendered
from tests.bench.machine import Machine

BODY = (
    "The weir came down in spring, stone by stone. By June there were salmon above it. "
    "Nobody had expected them for years. The counting starts on Monday, with a net and a boat."
)
CATEGORIES = ("Science", "Sport", "Culture", "Technology", "Environment & climate", "Cities")


def card(number: int) -> CardText:
    return CardText(
        item_id=UUID(int=(number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC834 % (1 << 128)),
        kind="ARTICLE",
        title="First salmon in 130 years seen above the weir, by a man with a sandwich",
        body=BODY,
        category=CATEGORIES[number % len(CATEGORIES)],
        source="The Bench",
    )


async def film(number: int) -> tuple[float, float, int]:
    async def hears(_done: float) -> None:
        return

    before = time.perf_counter()
    async with rendered(card(number), hears) as made:
        return time.perf_counter() - before, made.duration_sec, made.bytes


def bench(count: int) -> None:
    with Machine("posters") as machine:
        sizes = [len(posters(card(number)).poster) for number in range(count)]
    machine.row(
        each_ms=round(machine.cpu_seconds / count * 1000),
        a_second=round(count / machine.wall_seconds, 1),
        largest_kb=round(max(sizes) / 1000, 1),
    )
    with Machine("films") as machine:
        made = [asyncio.run(film(number)) for number in range(count)]
    seconds = sum(duration for _, duration, _ in made)
    machine.row(
        wall_p50_s=round(statistics.median(wall for wall, _, _ in made), 2),
        cpu_s_each=round(machine.children_seconds / count, 2),
        realtime=round(seconds / machine.wall_seconds, 2),
        cpu_s_per_media_s=round(machine.children_seconds / seconds, 3),
        largest_kb=round(max(size for _, _, size in made) / 1000),
        rss_mb=round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
    )


if __name__ == "__main__":
    bench(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
