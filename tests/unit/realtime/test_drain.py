"""Sending everyone away: in batches, and within a time however many there are."""

import asyncio

import pytest

from realtime.testing import connect
from tests.unit.realtime.rooms import serving


@pytest.mark.parametrize(
    ("clients", "drain_s", "gone"),
    [
        (500, 10.0, [200, 400, 500]),
        (1_000, 0.75, [334, 668, 1_000]),  # batches grow where two hundred would take too long
    ],
)
async def test_batches(clients: int, drain_s: float, gone: list[int]) -> None:
    async with serving(drain_s=drain_s) as (endpoint, _):
        everyone = [await connect(endpoint) for _ in range(clients)]
        endpoint.node.begin_drain()
        endpoint.node.begin_drain()  # twice is once
        seen = []
        await asyncio.sleep(0.1)
        for _ in gone:
            seen.append(sum(client.closed is not None for client in everyone))
            await asyncio.sleep(0.25)
        assert seen == gone
        assert {client.closed.code for client in everyone if client.closed} == {1012}
