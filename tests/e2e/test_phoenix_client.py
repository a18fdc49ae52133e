"""The official npm `phoenix` client, as it is, against our endpoint: it is the judge."""

import asyncio
import json
import shutil
import socket
from pathlib import Path
from typing import Any, ClassVar

import pytest
import uvicorn

from realtime import Endpoint, LocalPubSub
from realtime.transports.uvicorn_fastlane import FastlaneProtocol
from tests.services import in_a_thread
from tests.unit.realtime.rooms import Censor, Guest, Room

HERE = Path(__file__).parent
SCRIPT = HERE / "phoenix_client.mjs"


class JudgedRoom(Room):
    async def on_kick(self, _: Any) -> None:
        socket_id = self.socket.id()
        assert socket_id is not None
        await self.socket.endpoint.disconnect(socket_id)


class Judged(Guest):
    channels: ClassVar[Any] = {"room:*": JudgedRoom, "censored": Censor}
    infos: ClassVar[list[Any]] = []

    async def connect(self) -> None:
        Judged.infos.append(self.info)


async def judge(ws: Any) -> dict[str, Any]:
    node = shutil.which("node")
    assert node is not None, "Node is needed to run the official client"
    listener = socket.create_server(("127.0.0.1", 0))
    async with Endpoint(Judged, pubsub=LocalPubSub()) as endpoint:

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "websocket":
                await endpoint.websocket(scope, receive, send)

        config = uvicorn.Config(
            app, ws=ws, ws_per_message_deflate=False, lifespan="off", log_config=None
        )
        server = uvicorn.Server(config)
        serve = asyncio.create_task(server.serve(sockets=[listener]))
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/socket"
        process = await asyncio.create_subprocess_exec(
            *(node, "--experimental-websocket", str(SCRIPT), url),
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


@pytest.mark.parametrize("ws", [FastlaneProtocol, "websockets-sansio"])
def test_the_official_client_finds_everything_where_phoenix_has_it(ws: Any) -> None:
    Judged.infos.clear()
    seen = in_a_thread(judge(ws))
    assert seen == {
        "join": ["ok", {"joined": {"hello": "there"}}],
        "ping": ["ok", {"x": [1, "é"]}],
        "refused": ["error", {"reason": "not_now", "more": 1}],
        "binaryReply": [1, 2, 3],
        "otherJoin": ["ok", {}],
        "wrongTopic": ["error", {"reason": "unmatched topic"}],
        "broadcast": {"all": True},
        "binaryBroadcast": [4, 5],
        "afterCrash": ["ok", {"back": 1}],
        "afterKick": ["ok", {"back": 2}],
        "reopened": 1,
        "closes": [1001],
        "heartbeat": True,
        "stop": ["ok", {"bye": True}],
        "stopped": "closed",
        "leave": ["ok", {}],
        "left": "closed",
    }
    info = Judged.infos[0]
    assert info.auth_token == "s3cret?>~"
    assert info.params == {
        "name": "ada",
        "nested": {"a": "1"},
        "list": {"0": "1", "1": "2"},
        "vsn": "2.0.0",
    }
