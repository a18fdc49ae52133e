"""`lumen serve --workers 2`: one port, two processes, one set of numbers, one clean end."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from server.cli import main as lumen
from server.embedded import ports

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
WIDE = 60.0  # seconds in which what has to happen surely has


class Server:
    """The command in a process of its own."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.port = ports.pick()
        words = ["-m", "server.cli", "serve", "--workers", "2", "--port", str(self.port)]
        self.process = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environ)
        self.url = f"http://127.0.0.1:{self.port}"

    def workers(self) -> set[int]:
        """The processes that it has started."""
        pid = self.process.pid
        return {int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    async def get(self, path: str) -> httpx2.Response | None:
        async with httpx2.AsyncClient() as client:
            try:
                return await client.get(self.url + path)
            except httpx2.TransportError:
                return None

    def listening(self) -> int:
        """How many processes take connections on the port."""
        end, state = f":{self.port:04X}", "0A"
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        return sum(line[1].endswith(end) and line[3] == state for line in lines)

    async def ready(self) -> bool:
        if self.listening() < 2:
            return False
        answer = await self.get("/readyz")
        return answer is not None and answer.status_code == 200

    async def open_sockets(self) -> int:
        answer = await self.get("/metrics")
        seen = re.search(
            r"^realtime_sockets_open (\S+)$", answer.text if answer else "", re.MULTILINE
        )
        return int(float(seen[1])) if seen else -1


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WIDE):
        while not await holds():  # noqa: ASYNC110 - another process has no events for us
            await asyncio.sleep(0.1)  # between looks at another process


@pytest.fixture
def server(database_url: str, redis_url: str) -> Iterator[Server]:
    environ = os.environ | {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": "a secret of the tests, long enough to be taken",
        "LOG_LEVEL": "warning",
    }
    started = Server(environ)
    try:
        yield started
    finally:
        started.process.terminate()
        started.process.wait(WIDE)


async def open_one(stack: AsyncExitStack, server: Server) -> ClientConnection:
    address = f"ws://127.0.0.1:{server.port}/socket/websocket?vsn=2.0.0"
    return await stack.enter_async_context(connect(address))


async def test_the_processes_share_the_port_the_numbers_and_the_end(server: Server) -> None:
    await until(server.ready)
    first = server.workers()
    assert len(first) == 2

    async with AsyncExitStack() as stack:
        clients = [await open_one(stack, server) for _ in range(24)]

        async def all_counted() -> bool:
            return await server.open_sockets() == len(clients)

        await until(all_counted)

        killed = min(first)
        os.kill(killed, signal.SIGKILL)
        dead = [client for client in clients if not await is_open(client)]

        async def again() -> bool:
            return len(server.workers() - {killed}) == 2 and await server.ready()

        await until(again)
        assert 0 < len(dead) < len(clients)  # each process had some

        async def the_others_counted() -> bool:
            return await server.open_sockets() == len(clients) - len(dead)

        await until(the_others_counted)

        server.process.send_signal(signal.SIGTERM)
        left = [client for client in clients if client not in dead]
        codes = {await code_of(client) for client in left}
        assert codes == {1012}
    assert await asyncio.to_thread(server.process.wait, WIDE) == 0


async def is_open(client: ClientConnection) -> bool:
    """Say whether a client is still served, by a heartbeat."""
    try:
        await client.send('[null,"1","phoenix","heartbeat",{}]')
        return "ok" in str(await client.recv())
    except ConnectionClosed:
        return False


async def code_of(client: ClientConnection) -> int | None:
    async with asyncio.timeout(WIDE):
        await client.wait_closed()
    return client.close_code


def test_the_command_says_what_it_takes() -> None:
    told = CliRunner().invoke(lumen, ["serve", "--help"])
    assert "--workers" in told.output
    assert "--shares-port" not in told.output
