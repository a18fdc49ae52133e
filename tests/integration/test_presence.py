"""kill -9 of a node: its presences leave the screens of the others, and theirs stay."""

import asyncio
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from realtime import Endpoint
from realtime.presence import Pace, Presence
from realtime.pubsub.redis import RedisPubSub
from realtime.testing import Client, connect
from tests.unit.realtime.presence.lobbies import TOPIC, Visitor

pytestmark = pytest.mark.anyio
NODE = Path(__file__).parent / "presence_node.py"
PATIENCE_S = 40.0
ROUNDS, AT_ONCE = 5, 4  # twenty moments


class Screen:
    """What one client makes of its diffs, by the rules of the official one."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.refs: dict[str, str] = {}  # phx_ref: key

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._apply((await self._client.receive("presence_diff", timeout=60)).payload)

    def _apply(self, diff: Any) -> None:
        for key, presence in diff["joins"].items():
            self.refs |= {meta["phx_ref"]: key for meta in presence["metas"]}
        for presence in diff["leaves"].values():
            for meta in presence["metas"]:
                self.refs.pop(meta["phx_ref"], None)

    def of(self, name: str) -> list[str]:
        return [key for key in self.refs.values() if key.startswith(f"{name}-")]


async def test_a_killed_nodes_presences_leave_and_nobody_elses(redis_url: str) -> None:
    presences: list[Presence] = []

    def make_socket(info: Any) -> Visitor:
        visitor = Visitor(info)
        visitor.assigns["presence"] = presences[0]
        return visitor

    async with Endpoint(make_socket, pubsub=RedisPubSub(redis_url)) as endpoint:
        # Silence is long for a machine with much to do, and short for a test.
        pace = Pace(broadcast_period_s=0.1, down_period_s=2.0)
        presences.append(Presence(endpoint, pace=pace))
        async with presences[0]:
            client = await connect(endpoint)
            assert (await client.join(TOPIC, {"name": "survivor"})).ok
            screen = Screen(client)
            await screen.until(lambda: "survivor" in screen.refs.values())
            for round_number in range(ROUNDS):
                names = [f"node{round_number}{n}" for n in range(AT_ONCE)]
                await asyncio.gather(*(one_life(redis_url, name, screen) for name in names))
                await screen.until(lambda: list(screen.refs.values()) == ["survivor"])
            assert list(await presences[0].list(TOPIC)) == ["survivor"]


async def one_life(redis_url: str, name: str, screen: Screen) -> None:
    """Start a node, and kill it at a moment that its name decides on."""
    chance = random.Random(name)  # noqa: S311 - to be repeatable
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(NODE), redis_url, name, str(chance.randrange(1_000))),
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        seen = chance.randrange(1, 5)
        await screen.until(lambda: len(screen.of(name)) >= seen)
        await asyncio.sleep(chance.uniform(0, 0.3))
    finally:
        process.kill()
        assert await process.wait() == -signal.SIGKILL
