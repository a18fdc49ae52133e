"""Nodes as processes: killed, cut off from Redis, stopped under load, run over, never read from."""

import asyncio
import json
import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.bench.soak import soak
from tests.conformance.serving import Server, serving, several
from tests.contract.test_pubsub import RedisServer
from tests.crowd import PATIENCE_S, Crowd, Gone, Member

pytestmark = pytest.mark.timeout(180)
KILLS = 20  # in two rounds, at seeded moments of the traffic
OUTAGE_S = 10.0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


async def measured(server: Server) -> dict[str, int]:
    async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE_S) as http:
        counts: dict[str, int] = (await http.get(f"{server.http}/measure")).json()
        return counts


async def until(true: Callable[[dict[str, int]], bool], server: Server) -> dict[str, int]:
    """Ask a node what there is until it is as wanted."""
    async with asyncio.timeout(PATIENCE_S):
        while not true(counts := await measured(server)):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.05)
    return counts


async def event(member: Member, name: str) -> Any:
    """Return the payload of the next event of that name; what comes before is passed over."""
    while (frame := await member.receive())[3] != name:
        pass
    return frame[4]


def test_a_node_that_is_killed_takes_nobody_with_it(redis: RedisServer) -> None:
    """Its presences leave everywhere, and its clients are whole again on another node."""
    dice = random.Random(20_261_120)  # noqa: S311 - the moments are to be the same each time
    with serving("--redis", redis.url) as survivor:
        for _ in range(2):
            with several(KILLS // 2, "--redis", redis.url) as victims:
                asyncio.run(killed(survivor, victims, dice))


async def killed(survivor: Server, victims: list[Server], dice: random.Random) -> None:
    async with Crowd(survivor.port) as crowd:
        (watcher,) = await crowd.come()
        await watcher.join("lobby:1", {"name": "watcher"})
        guests = [(await crowd.come(port=victim.port))[0] for victim in victims]
        for number, guest in enumerate(guests):
            await guest.join("lobby:1", {"name": f"guest{number}"})
        names = {f"guest{number}" for number in range(len(guests))}
        await told(watcher, "joins", names)
        for guest, victim in zip(guests, victims, strict=True):
            for n in range(100):
                guest.send("j", None, "lobby:1", "shout", {"n": n})
            for _ in range(dice.randrange(1, 60)):  # of which so much is under way
                await event(watcher, "shout")
            await asyncio.to_thread(victim.kill)
            assert await guest.closing() is None
        back = await crowd.come(len(guests))
        for number, member in enumerate(back):
            await member.join("lobby:1", {"name": f"back{number}"})
            assert "watcher" in await event(member, "presence_state")
        await told(watcher, "leaves", names)
        # Who came back hears.
        watcher.send("j", None, "lobby:1", "others", {"n": "after"})
        for member in back:
            while (await event(member, "shout"))["n"] != "after":
                pass


async def told(watcher: Member, which: str, names: set[str]) -> None:
    """Wait until presence has told of all these."""
    seen: set[str] = set()
    while not seen >= names:
        seen |= (await event(watcher, "presence_diff"))[which].keys()
    assert which == "joins" or "watcher" not in seen


def test_ten_seconds_without_redis_drop_nobody_and_every_topic_comes_back(
    redis: RedisServer,
) -> None:
    async def story(nodes: list[Server]) -> None:
        async with Crowd(0) as crowd:
            ones, twos = [await crowd.come(10, port=node.port) for node in nodes]
            pairs = list(enumerate(zip(ones, twos, strict=True)))
            for number, pair in pairs:
                for member in pair:
                    await member.join(f"room:{number}")
            redis.kill()
            loop = asyncio.get_running_loop()
            back_at = loop.time() + OUTAGE_S
            while loop.time() < back_at:  # in which nobody notices more than that
                await cut_off(ones)
                await asyncio.sleep(0.5)
            await asyncio.to_thread(redis.start)
            for number, (one, two) in pairs:
                await heard(one, two, f"room:{number}")
                await heard(two, one, f"room:{number}")
            assert not any(member.gone for member in crowd.members)
            assert [(await measured(node))["sockets"] for node in nodes] == [10, 10]

    with several(2, "--redis", redis.url) as nodes:
        asyncio.run(story(nodes))


async def cut_off(members: list[Member]) -> None:
    """What cannot be done now is said, and all else goes on."""
    refused = {"status": "error", "response": {"reason": "unavailable"}}
    for number, member in enumerate(members):
        member.send("j", "s", f"room:{number}", "shout", {})
        assert await event(member, "phx_reply") == refused
        member.send(None, "b", "phoenix", "heartbeat", {})
        assert await event(member, "phx_reply") == {"status": "ok", "response": {}}


async def heard(here: Member, there: Member, topic: str) -> None:
    """Say it until it is heard: nobody joins again, so the topic came back by itself."""
    while True:
        here.send("j", "again", topic, "others", {"by": id(here)})
        there.send("j", "echo", topic, "echo", {})
        while (frame := await there.receive())[3] != "phx_reply":
            if frame[3:] == ["shout", {"by": id(here)}]:
                return
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(("tier", "readers"), [("lane", 1_000), ("asgi", 100)])
def test_a_client_that_never_reads_costs_a_bound_and_nobody_else_anything(
    tier: str, readers: int
) -> None:
    bound, rounds = 262_144, 20

    async def story(server: Server) -> None:
        async with Crowd(server.port) as crowd:
            many = await crowd.come(readers)
            await asyncio.gather(*(member.join("room:all") for member in many))
            (deaf,) = await crowd.come()
            await deaf.join("room:all")
            await deaf.join("room:flood")
            deaf.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, 4096
            )
            deaf.transport.pause_reading()
            (publisher,) = await crowd.come()
            await publisher.join("room:flood")
            words = "x" * 60_000
            most = 0
            for n in range(rounds):
                many[0].send("j", None, "room:all", "shout", {"n": n})
                for _ in range(10):
                    publisher.send("j", None, "room:flood", "others", {"words": words})
                publisher.send("j", "echo", "room:flood", "echo", {})
                await event(publisher, "phx_reply")
                most = max(most, (await measured(server))["largest_waiting_bytes"])
            for member in many:
                assert [(await event(member, "shout"))["n"] for _ in range(rounds)] == [
                    *range(rounds)
                ]
            # What waits is bounded, by the limit and one tick of messages; and the client is gone.
            assert most < bound + 10 * 61_000
            await until(lambda counts: counts["sockets"] == readers + 1, server)

    limits = json.dumps({"writer_bytes": bound})
    with serving("--tier", tier, "--limits", limits) as server:
        asyncio.run(story(server))


def test_in_a_storm_of_joins_heartbeats_are_answered_first() -> None:
    async def story(server: Server) -> None:
        async with Crowd(server.port) as crowd:
            await crowd.come(1_000)
            for member in crowd.members:
                member.send("1", "1", "room:1", "phx_join", {"slow": 3.0})
                member.send(None, "beat", "phoenix", "heartbeat", {})
            for member in crowd.members:
                assert (await member.receive())[1] == "beat"
            for member in crowd.members:
                assert (await member.receive())[1:4] == ["1", "room:1", "phx_reply"]
            assert (await measured(server))["channels"] == 1_000

    with serving() as server:
        asyncio.run(story(server))


@pytest.mark.parametrize("tier", ["lane", "asgi"])
def test_a_thousand_comings_and_goings_leave_every_registry_as_it_was(tier: str) -> None:
    async def story(server: Server) -> None:
        before = await measured(server)
        async with Crowd(server.port) as crowd:
            for _ in range(20):
                for number, member in enumerate(await crowd.come(50)):
                    await begin(member, number)
                    end = member.transport.abort if number % 3 else member.transport.close
                    end()
        await until(lambda counts: counts == before, server)

    async def begin(member: Member, number: int) -> None:
        match number % 4:
            case 0:
                member.send("1", "1", "room:1", "phx_join", {"slow": 0.2})
            case 1:
                await member.join("room:1")
                member.send("j", None, "room:1", "shout", {})
            case 2:
                await member.join("lobby:1", {"name": str(number)})
                member.send("j", "l", "lobby:1", "phx_leave", {})
            case _:
                await member.join("lobby:1", {"name": str(number)})

    with serving("--tier", tier) as server:
        asyncio.run(story(server))


@pytest.mark.parametrize("tier", ["lane", "asgi"])
def test_a_stop_under_load_sends_everyone_on_in_batches(tier: str) -> None:
    async def story(server: Server) -> None:
        async with Crowd(server.port) as crowd:
            many = await crowd.come(450)
            await asyncio.gather(*(member.join("room:1") for member in many))
            (talker,) = await crowd.come()
            await talker.join("room:2")

            answers = 0

            async def talk() -> None:
                nonlocal answers
                while True:
                    talker.send("j", "e", "room:2", "echo", {})
                    await event(talker, "phx_reply")
                    answers += 1

            talking = asyncio.create_task(talk())
            await event_of_load(many)
            server.process.terminate()
            await asyncio.wait(
                [asyncio.create_task(member.closing()) for member in many],
                return_when=asyncio.FIRST_COMPLETED,
            )
            answered = answers
            assert [await member.closing() for member in many] == [1012] * len(many)
            with pytest.raises(Gone):
                await talking
            # The first batch went and the last was still served.
            assert tier == "asgi" or answers > answered + 5
            with pytest.raises(OSError, match="Connect"):
                await crowd.come()
        assert await asyncio.to_thread(server.process.wait, 30) in (0, -15)

    async def event_of_load(many: list[Member]) -> None:
        many[0].send("j", None, "room:1", "shout", {"n": 1})
        for member in many:
            await event(member, "shout")

    with serving("--tier", tier) as server:
        asyncio.run(story(server))


def test_a_short_soak_leaves_nothing_behind() -> None:
    report = soak(seconds=5, clients=50)
    assert report.empty
    assert report.visits > 50
    assert report.late_mib < report.early_mib + 32  # a leak of this traffic would be more
