"""A server that stops says so first, and serves on until its proxies have taken notice."""

import asyncio
import socket
from typing import Any

import httpx2
import pytest
import uvicorn

from realtime.transports.uvicorn_drain import DrainingServer
from server import health
from server.app import create_app
from server.settings import load

pytestmark = pytest.mark.anyio
PATIENCE_S = 30.0


@pytest.mark.row("D-22")
async def test_readiness_goes_before_the_door_closes(database_url: str, redis_url: str) -> None:
    secret = "a secret of the tests, long enough"
    given = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SECRET_KEY": secret}
    app = create_app(load(given))
    node = app.state.node
    noticed = asyncio.Event()
    events: list[str] = []

    async def notice() -> None:
        await node.give_notice()
        events.append("notice")
        await noticed.wait()

    config = uvicorn.Config(app, log_config=None, lifespan="on")
    server = DrainingServer(config, lambda: events.append("drain"), notice)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(PATIENCE_S):
            assert (await get(url, until=lambda answer: answer.status_code == 200)) is not None
            server.should_exit = True
            refusal = await get(url, until=lambda answer: answer.status_code == 503)
            assert "about to stop" in refusal.text
            # Whoever comes now is still let in, and nobody has been sent away.
            assert events == ["notice"]
            noticed.set()
            await serving
    assert events == ["notice", "drain"]


async def get(url: str, until: Any) -> httpx2.Response:
    """Ask for readiness, each time over a connection of its own, until it is as wanted."""
    while True:
        try:
            async with httpx2.AsyncClient(trust_env=False) as http:
                answer = await http.get(f"{url}/readyz")
        except httpx2.ConnectError:
            answer = None
        if answer is not None and until(answer):
            return answer
        await asyncio.sleep(0.02)


def test_nobody_leaves_who_was_not_told_to() -> None:
    assert health.Leaving().said is False
