"""Long polls by turns over nodes that know each other through Redis alone, and one that dies."""

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from realtime import Endpoint, Limits
from realtime.pubsub.redis import RedisPubSub
from tests.unit.realtime.polling import Poller
from tests.unit.realtime.rooms import Guest

pytestmark = pytest.mark.anyio
SECRET = "a secret that both nodes share"
LIMITS = Limits(poll_window_s=1.0, poll_relay_timeout_s=2.0)


@asynccontextmanager
async def nodes(redis_url: str, count: int) -> AsyncIterator[list[Endpoint]]:
    async with AsyncExitStack() as stack:
        made = [
            Endpoint(Guest, pubsub=RedisPubSub(redis_url), limits=LIMITS, secrets=SECRET)
            for _ in range(count)
        ]
        yield [await stack.enter_async_context(node) for node in made]


async def seen(poller: Poller, event: str) -> Any:
    """Poll until a message of that event comes; a window may pass without one."""
    for _ in range(20):
        answered = await poller.get()
        assert answered["status"] in (200, 204)
        for message in poller.read(answered):
            if message[3] == event:
                return message
    pytest.fail(f"{event} did not come")


async def test_whichever_node_answers(redis_url: str) -> None:
    async with nodes(redis_url, 3) as endpoints:
        poller = await Poller.open(*endpoints)
        assert await poller.post(["1", "1", "room:1", "phx_join", {}]) == 200
        assert (await seen(poller, "phx_reply"))[4] == {"status": "ok", "response": {}}
        for n in range(4):
            assert await poller.post(["1", "2", "room:1", "shout", {"n": n}]) == 200
            assert (await seen(poller, "shout"))[4] == {"n": n}
        push = b"\x00\x01\x01\x06\x05" + b"13room:1shout" + b"\xff\x00"
        assert await poller.post(base64.b64encode(push).decode()) == 200
        said = {"$binary": base64.b64encode(b"\xff\x00").decode()}
        assert (await seen(poller, "shout"))[4] == said


async def test_a_node_that_is_gone_costs_its_sessions_and_nothing_more(redis_url: str) -> None:
    async with nodes(redis_url, 2) as (one, two):
        poller = await Poller.open(one)
        one.longpoll._relay._stop()  # deaf and dumb, as after a kill -9
        poller.endpoints = [two]
        assert await poller.post([None, "9", "phoenix", "heartbeat", {}]) == 410
        answered = await poller.get()
        assert answered["status"] == 410
        poller.token = answered["token"]
        assert await poller.post([None, "9", "phoenix", "heartbeat", {}]) == 200
        assert (await seen(poller, "phx_reply"))[2] == "phoenix"
