"""The app that the conformance suite speaks to; a server of another make offers the same rooms.

    python -m tests.conformance.app [--tier lane|asgi] [--port N] [--redis URL]

It prints the port that it listens on. What a foreign server needs to be judged:

- topics `room:*`. A join answers with its params; `{"refuse": R}` is refused with
  `{"reason": R}`, `{"crash": 1}` crashes, `{"after": 1}` pushes `after` with `{}` behind it;
- events on them: `echo` answers ok with the payload, `fail` error with the payload, `silent`
  nothing, `later` ok with the payload once the handler is over; `shout` broadcasts `shout` with the
  payload, `others` the same without the sender, `tell` pushes `told` with the payload; `crash`
  raises, `stop` answers ok with `{}` and stops with the payload's reason; `kick` disconnects the
  socket's id; `who` answers with the connect params, the auth token and the transport;
- topics `censored:*`, the same, where the server looks at each `shout` and adds `"seen": true`;
- topics `lobby:*`: who joins with `{"name": N}` is pushed `presence_state`, then tracked as N;
- connect params: `refuse` is a HTTP status to refuse with, `id` makes the socket's id `judged:ID`.
"""

import argparse
import asyncio
import socket
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import uvicorn
from msgspec import Struct

from realtime import (
    Channel,
    ConnectInfo,
    ConnectRefused,
    Endpoint,
    Error,
    Limits,
    LocalPubSub,
    Ok,
    Refused,
    Socket,
    SocketRef,
    Stop,
)
from realtime.presence import Pace, Presence
from realtime.pubsub.redis import RedisPubSub
from realtime.transports.uvicorn_door import DoorProtocol
from realtime.transports.uvicorn_drain import DrainingServer
from realtime.transports.uvicorn_fastlane import FastlaneProtocol

TIERS: dict[str, Any] = {"lane": FastlaneProtocol, "asgi": "websockets-sansio"}
_SECRET = "of the conformance app, which guards nothing"
_STOP_SECONDS = 20
# A node that is silent for this long is gone: so that a test need not wait for half a minute.
_QUICK = Pace(broadcast_period_s=0.25, max_silent_periods=2, down_period_s=2.0)
_ROOT = Path(__file__).resolve().parents[2]
_PAGE = b"<!doctype html><title>judge</title><link rel=icon href=data:,>"


class Here(Struct):
    presence: Presence
    name: str


class _Later(Struct):
    ref: SocketRef
    payload: Any


class Room(Channel):
    async def join(self, params: Any) -> Any:
        match params:
            case {"refuse": reason}:
                raise Refused(reason)
            case {"crash": _}:
                raise ValueError("as asked")
            case {"slow": seconds}:
                await asyncio.sleep(seconds)
            case {"after": _}:
                self.send_info("after")
        return params

    async def handle_in(self, event: str, payload: Any) -> Ok | Error | Stop | None:
        match event:
            case "echo":
                return Ok(payload)
            case "fail":
                return Error(payload)
            case "stop":
                return Stop(payload["reason"], Ok())
            case "who":
                return Ok(self._who())
            case "crash":
                raise ValueError("as asked")
        await self._do(event, payload)
        return None

    async def handle_info(self, message: Any) -> None:
        if isinstance(message, _Later):
            self.reply(message.ref, Ok(message.payload))
        else:
            self.push(message, {})

    async def _do(self, event: str, payload: Any) -> None:
        match event:
            case "later":
                self.send_info(_Later(self.socket_ref(), payload))
            case "shout":
                await self.broadcast("shout", payload)
            case "others":
                await self.broadcast_from("shout", payload)
            case "tell":
                self.push("told", payload)
            case "kick":
                await self.socket.endpoint.disconnect(self.socket.id() or "")

    def _who(self) -> dict[str, Any]:
        info = self.socket.info
        return {"params": info.params, "token": info.auth_token, "transport": info.transport}


class Censored(Room):
    intercept = frozenset({"shout"})

    async def handle_out(self, event: str, payload: Any) -> None:
        self.push(event, {**payload, "seen": True})


class Lobby(Room):
    """Tracks who joins under the name that the params give."""

    async def handle_info(self, message: Any) -> None:
        if isinstance(message, Here):
            self.push("presence_state", await message.presence.list(self))
            message.presence.track(self, message.name)
        else:
            await super().handle_info(message)

    async def join(self, params: Any) -> Any:
        self.send_info(Here(self.socket.assigns["presence"], params["name"]))
        return params


class Judged(Socket):
    channels: ClassVar[Any] = {"room:*": Room, "censored:*": Censored, "lobby:*": Lobby}

    async def connect(self) -> None:
        if "refuse" in self.info.params:
            raise ConnectRefused("asked", int(self.info.params["refuse"]))

    def id(self) -> str | None:
        name = self.info.params.get("id")
        return None if name is None else f"judged:{name}"


class App:
    """The endpoint behind the paths that phoenix.js takes."""

    def __init__(self, *, redis: str | None = None, limits: Limits | None = None) -> None:
        pubsub = LocalPubSub() if redis is None else RedisPubSub(redis)
        self.endpoint = Endpoint(
            self._socket, pubsub=pubsub, limits=limits or Limits(), secrets=_SECRET
        )
        self.presence = Presence(self.endpoint, pace=_QUICK)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        match scope["type"], scope.get("path"):
            case "lifespan", _:
                await self._live(receive, send)
            case "websocket" | "http", "/socket/websocket":
                await self.endpoint.websocket(scope, receive, send)
            case "http", "/socket/longpoll":
                await self.endpoint.longpoll(scope, receive, send)
            case "websocket", _:
                await send({"type": "websocket.close"})
            case "http", "/measure":
                await _respond(send, 200, msgspec.json.encode(self.endpoint.measure()))
            case "http", "/":
                await _respond(send, 200, _PAGE, "text/html")
            case _, path:
                await self._module(path, send)

    def _socket(self, info: ConnectInfo) -> Judged:
        judged = Judged(info)
        judged.assigns["presence"] = self.presence
        return judged

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        async with self.endpoint, self.presence:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _module(self, path: str, send: Any) -> None:
        """Give a page a module of this project, such as the client that judges us."""
        file = (_ROOT / path.lstrip("/")).resolve()
        if file.is_relative_to(_ROOT) and file.suffix == ".mjs" and file.is_file():
            await _respond(send, 200, file.read_bytes(), "text/javascript")
        else:
            await _respond(send, 404, b"")


async def _respond(send: Any, status: int, body: bytes, kind: str = "application/json") -> None:
    headers = [(b"content-type", kind.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.app")
    parser.add_argument("--tier", choices=TIERS, default="lane")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--redis")
    parser.add_argument("--limits", type=lambda text: msgspec.json.decode(text, type=Limits))
    given = parser.parse_args()
    app = App(redis=given.redis, limits=given.limits)
    config = uvicorn.Config(
        app,
        http=DoorProtocol,
        ws=TIERS[given.tier],
        ws_per_message_deflate=False,
        log_config=None,
        backlog=4096,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    with socket.create_server(("127.0.0.1", given.port), backlog=4096) as listener:
        print(listener.getsockname()[1], flush=True)  # noqa: T201 - whoever started it waits for it
        DrainingServer(config, app.endpoint.node.begin_drain).run(sockets=[listener])


if __name__ == "__main__":
    main()
