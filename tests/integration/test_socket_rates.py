"""Sockets of the whole app are held to rates, unless the operator says otherwise."""

import msgspec
import pytest
from starlette.applications import Starlette

from realtime.testing import connect
from server.app import create_app
from server.settings import Settings

pytestmark = pytest.mark.anyio


async def test_a_flood_is_refused_and_then_closed(app: Starlette) -> None:
    client = await connect(app.state.node.endpoint)
    assert (await client.join("feed:news")).ok
    answers = [await client.request("feed:news", "nonsense") for _ in range(230)]
    refused = [answer.response for answer in answers if "retry_after_ms" in answer.response]
    assert refused
    assert {answer["reason"] for answer in refused} == {"rate_limited"}
    assert (await client.receive("rate_limited")).payload["scope"] == "socket"
    for _ in range(2_000):
        if client.closed is None:
            client.push("feed:news", "nonsense")
    assert client.closed is not None
    assert client.closed.code == 1008


async def test_switched_off_nobody_is_counted(settings: Settings) -> None:
    app = create_app(msgspec.structs.replace(settings, rate_limits=False))
    assert app.state.node.endpoint.node.meters.of("ada", "10.0.0.1") is None
