"""What readers notice of trouble: storms, readers that never read, outages, kills, stops.

    python -m tests.bench.trouble [storm | never_reads | outage | killed | stopped ...]

The load comes from this process, by Python, so a latency holds its share of that too. Servers are
those of tests/conformance/app.py with the rates of Lumen's own sockets.
"""

import asyncio
import json
import socket
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
import msgspec
from typing_extensions import override

from server.socket import RATES
from tests.bench.machine import Machine
from tests.conformance.serving import Server, serving, several
from tests.contract.test_pubsub import RedisServer
from tests.crowd import Crowd, Member

LIMITS = json.dumps(msgspec.to_builtins(msgspec.structs.replace(RATES, address_rates=None)))
OUTAGE_S = 10.0
_WORDS = "x" * 260  # with what is around it a message of 300 bytes


class Arrivals(deque[Any]):
    """The frames of a client; of each that says when it was sent, how long it took."""

    def __init__(self, took: list[float]) -> None:
        super().__init__()
        self._took = took

    @override
    def append(self, frame: Any) -> None:
        match frame:
            case [_, _, _, "shout", {"at": at}]:
                self._took.append(time.perf_counter() - at)
            case _:
                super().append(frame)


def spread(took: list[float]) -> dict[str, float]:
    """Return the middle, the 99th percentile and the worst, in ms."""
    hundredths = statistics.quantiles(took, n=100)
    named = {"p50_ms": hundredths[49], "p99_ms": hundredths[98], "max_ms": max(took)}
    return {name: round(seconds * 1000, 1) for name, seconds in named.items()}


async def storm() -> dict[str, Any]:
    """A thousand clients a second come for three seconds; each joins and wants its heartbeat."""
    beats: list[float] = []
    joins: list[float] = []

    async def arrive(crowd: Crowd) -> None:
        began = time.perf_counter()
        (member,) = await crowd.come()
        member.send("1", "1", "room:1", "phx_join", {})
        member.send(None, "b", "phoenix", "heartbeat", {})
        for _ in range(2):
            frame = await member.receive()
            (beats if frame[1] == "b" else joins).append(time.perf_counter() - began)

    with serving("--limits", LIMITS) as server:
        async with Crowd(server.port) as crowd:
            began, tasks = time.perf_counter(), []
            for number in range(3_000):
                await asyncio.sleep(max(0.0, began + number / 1_000 - time.perf_counter()))
                tasks.append(asyncio.create_task(arrive(crowd)))
            came_s = time.perf_counter() - began
            await asyncio.gather(*tasks)
    return {
        "arrivals_per_s": round(3_000 / came_s),
        "first_heartbeat": spread(beats),
        "join": spread(joins),
        "bar": "first heartbeat < 2,500 ms",
    }


async def never_reads() -> dict[str, Any]:
    """A thousand read; then one more never does, on their topic and on one that floods it."""
    bound = 1_048_576
    with serving() as server:  # without the rates, which would end the flood first
        async with Crowd(server.port) as crowd:
            took: list[float] = []
            many = await crowd.come(1_000)
            await asyncio.gather(*(member.join("room:all") for member in many))
            for member in many:
                member.frames = Arrivals(took)
            (flood,) = await crowd.come()
            await flood.join("room:flood")
            without = await _told(many, flood, took)
            (deaf,) = await crowd.come()
            await deaf.join("room:all")
            await deaf.join("room:flood")
            _stop_reading(deaf)
            began = time.perf_counter()
            gone = asyncio.create_task(_gone(server, 1_001))
            beside = await _told(many, flood, took)
            gone_at, most = await gone
    return {
        "without": without,
        "beside_it": beside,
        "gone_after_s": round(gone_at - began, 1),
        "most_waiting_bytes": most,
        "bound_bytes": bound,
        "bar": "p99 unmoved",
    }


async def _told(many: list[Member], flood: Member, took: list[float]) -> dict[str, float]:
    """Tell everybody something twenty times a second, beside a flood on the other topic."""
    took.clear()
    count, words = 200, "x" * 30_000
    for number in range(count):
        many[number % 20].send(
            "j", None, "room:all", "shout", {"at": time.perf_counter(), "words": _WORDS}
        )
        flood.send("j", None, "room:flood", "others", {"words": words})
        await asyncio.sleep(0.05)
    async with asyncio.timeout(30):
        while len(took) < count * len(many):  # noqa: ASYNC110 - they arrive elsewhere
            await asyncio.sleep(0.01)
    return spread(took)


def _stop_reading(member: Member) -> None:
    raw = member.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    member.transport.pause_reading()  # type: ignore[attr-defined]


async def _gone(server: Server, sockets: int) -> tuple[float, int]:
    most = 0
    while (counts := await _measured(server))["sockets"] > sockets:
        most = max(most, counts["largest_waiting_bytes"])
        await asyncio.sleep(0.05)
    return time.perf_counter(), most


async def _measured(server: Server) -> dict[str, int]:
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        counts: dict[str, int] = (await http.get(f"{server.http}/measure")).json()
        return counts


async def outage() -> dict[str, Any]:
    """Redis is gone for ten seconds under two nodes with 500 clients each on 100 topics."""
    with tempfile.TemporaryDirectory() as folder:
        redis = RedisServer(Path(folder))
        redis.start()
        try:
            with several(2, "--limits", LIMITS, "--redis", redis.url) as nodes:
                return await _outage(redis, nodes)
        finally:
            redis.kill()


async def _outage(redis: RedisServer, nodes: list[Server]) -> dict[str, Any]:
    async with Crowd(0) as crowd:
        ones, twos = [await crowd.come(500, port=node.port) for node in nodes]
        for number, pair in enumerate(zip(ones, twos, strict=True)):
            for member in pair:
                await member.join(f"room:{number % 100}")
        redis.kill()
        await asyncio.sleep(OUTAGE_S)
        await asyncio.to_thread(redis.start)
        began, heard_after = time.perf_counter(), []
        for number in range(100):
            heard: list[float] = []
            twos[number].frames = Arrivals(heard)
            while not heard:
                said = {"at": time.perf_counter()}
                ones[number].send("j", None, f"room:{number}", "shout", said)
                await asyncio.sleep(0.02)
            heard_after.append(time.perf_counter() - began)
        dropped = sum(member.gone or member.code is not None for member in crowd.members)
    return {
        "outage_s": OUTAGE_S,
        "dropped": dropped,
        "first_topic_again_s": round(heard_after[0], 2),
        "all_topics_again_s": round(heard_after[-1], 2),
        "bar": "nobody dropped, every topic alive without a rejoin",
    }


async def killed() -> dict[str, Any]:
    """One of two nodes is killed with 500 clients; all come to the other at once."""
    with tempfile.TemporaryDirectory() as folder:
        redis = RedisServer(Path(folder))
        redis.start()
        try:
            with several(2, "--limits", LIMITS, "--redis", redis.url) as nodes:
                return await _killed(*nodes)
        finally:
            redis.kill()


async def _killed(stays: Server, dies: Server) -> dict[str, Any]:
    async with Crowd(stays.port) as crowd:
        (watcher,) = await crowd.come()
        await watcher.join("lobby:1", {"name": "watcher"})
        guests = await crowd.come(500, port=dies.port)
        names = {f"guest{number}" for number in range(len(guests))}
        for number, guest in enumerate(guests):
            await guest.join("lobby:1", {"name": f"guest{number}"})
        await _presence(watcher, "joins", set(names))
        began = time.perf_counter()
        dies.kill()

        async def back(guest: Member) -> float:
            await guest.closing()
            (member,) = await crowd.come()
            await member.join("room:1")
            return time.perf_counter() - began

        back_after = await asyncio.gather(*(back(guest) for guest in guests))
        await _presence(watcher, "leaves", names)
        left_after = time.perf_counter() - began
    return {
        "all_back_elsewhere_ms": round(max(back_after) * 1000),
        "presences_left_after_s": round(left_after, 1),
        "down_period_s": 2.0,
    }


async def _presence(watcher: Member, which: str, names: set[str]) -> None:
    while names:
        frame = await watcher.receive()
        if frame[3] == "presence_diff":
            names -= frame[4][which].keys()


async def stopped() -> dict[str, Any]:
    """A node with 2,000 clients and a broadcast every 50 ms is told to stop."""
    with serving("--limits", LIMITS) as server:
        async with Crowd(server.port) as crowd:
            many = await crowd.come(2_000)
            await asyncio.gather(*(member.join("room:1") for member in many))
            talking = asyncio.create_task(_talk(many))
            await asyncio.sleep(1)
            began = time.perf_counter()
            server.process.terminate()

            async def goodbye(member: Member) -> tuple[float, int | None]:
                code = await member.closing()
                return time.perf_counter() - began, code

            byes = await asyncio.gather(*(goodbye(member) for member in many))
            talking.cancel()
            await asyncio.to_thread(server.process.wait, 30)
            ended = time.perf_counter() - began
    after = sorted(seconds for seconds, _ in byes)
    batches = 1 + sum(later - sooner > 0.1 for sooner, later in pairwise(after))
    return {
        "codes": sorted({code for _, code in byes}, key=str),
        "first_s": round(after[0], 2),
        "last_s": round(after[-1], 2),
        "batches": batches,
        "process_ended_s": round(ended, 2),
        "bar": "1012 to all, within 10 s",
    }


async def _talk(many: list[Member]) -> None:
    while many[-1].code is None:
        many[-1].send("j", None, "room:1", "shout", {"words": _WORDS})
        await asyncio.sleep(0.05)


ALL: tuple[Callable[[], Awaitable[dict[str, Any]]], ...] = (
    *(storm, never_reads, outage, killed, stopped),
)


def main() -> None:
    wanted = sys.argv[1:]
    for what in ALL:
        name = getattr(what, "__name__", "")
        if not wanted or name in wanted:
            with Machine(f"trouble: {name}") as machine:
                figures = asyncio.run(_run(what))
            machine.row(**figures)


async def _run(what: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    return await what()


if __name__ == "__main__":
    main()
