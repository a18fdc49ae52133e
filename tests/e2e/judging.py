"""Runs a script of the official client in Node against an app under uvicorn."""

import asyncio
import json
import shutil
import socket
from pathlib import Path
from typing import Any

import uvicorn

HERE = Path(__file__).parent
RELEASES = ("phoenix-1-7-21", "phoenix-1-8-12", "phoenix-1-8-16")


async def judged(
    app: Any, script: str, package: str, *more: str, path: str = "/socket"
) -> dict[str, Any]:
    """Return what the script saw with one release of a client: one line of JSON."""
    node = shutil.which("node")
    assert node is not None, "Node is needed to run the official client"
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, ws="websockets-sansio", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serve = asyncio.create_task(server.serve(sockets=[listener]))
    process = await asyncio.create_subprocess_exec(
        *(node, "--experimental-websocket", str(HERE / script)),
        f"http://127.0.0.1:{listener.getsockname()[1]}{path}",
        package,
        *more,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, complaints = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        server.should_exit = True
        await serve
        listener.close()
    assert process.returncode == 0, complaints.decode()
    seen: dict[str, Any] = json.loads(out)
    return seen
