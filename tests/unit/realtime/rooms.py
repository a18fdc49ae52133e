"""The app that these tests speak to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from realtime import (
    Channel,
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
from realtime.telemetry import Event


class Room(Channel):
    """Does what its join params and events say."""

    ended: ClassVar[list[tuple[str, str]]] = []  # topic, reason

    def __init__(self, socket: Socket, topic: str) -> None:
        super().__init__(socket, topic)
        self.gate = asyncio.Event()
        self.later: SocketRef | None = None
        self.infos: list[Any] = []

    async def join(self, params: Any) -> Any:
        self.socket.assigns.setdefault("rooms", {})[self.topic] = self
        match params:
            case {"refuse": reason}:
                raise Refused(reason, hint=1)
            case {"crash": _}:
                raise ValueError("as asked")
            case {"slow": seconds}:
                await asyncio.sleep(seconds)
            case {"push": event}:
                self.push(event, {"early": True})
                self.send_info("after_join")
            case {"unspeakable": _}:
                return object()
            case {"push_unspeakable": _}:
                self.push("early", object())
            case {"bytes": _}:
                return b"\x00\x01"
        return {"joined": params} if params else None

    async def handle_in(self, event: str, payload: Any) -> Ok | Error | Stop | None:
        if (handle := getattr(self, f"on_{event}", None)) is None:
            return await super().handle_in(event, payload)
        answer: Ok | Error | Stop | None = await handle(payload)
        return answer

    async def on_ping(self, payload: Any) -> Ok:
        return Ok(payload)

    async def on_quiet(self, _: Any) -> None:
        return None

    async def on_error(self, payload: Any) -> Error:
        return Error(payload)

    async def on_refuse(self, payload: Any) -> None:
        raise Refused("not_now", **payload)

    async def on_crash(self, _: Any) -> None:
        raise ValueError("as asked")

    async def on_stop(self, payload: Any) -> Stop:
        return Stop(payload["reason"], Ok({"bye": True}))

    async def on_stop_later(self, _: Any) -> None:
        self.stop()

    async def on_slow(self, payload: Any) -> Ok:
        await asyncio.sleep(payload["seconds"])
        return Ok()

    async def on_wait(self, _: Any) -> Ok:
        await self.gate.wait()
        return Ok()

    async def on_ask(self, _: Any) -> None:
        self.later = self.socket_ref()

    async def on_answer(self, payload: Any) -> None:
        assert self.later is not None
        self.reply(self.later, Ok(payload))
        self.reply(self.later, Error({"twice": True}))

    async def on_shout(self, payload: Any) -> None:
        await self.broadcast("shout", payload)

    async def on_others(self, payload: Any) -> None:
        await self.broadcast_from("shout", payload)

    async def on_shout_and_push(self, _: Any) -> Ok:
        for n in range(3):
            await self.broadcast("shout", {"n": n})
            self.push("own", {"n": n})
        return Ok()

    async def handle_info(self, message: Any) -> None:
        if message == "crash":
            raise ValueError("as asked")
        self.infos.append(message)
        self.push("info", {"said": message})

    async def terminate(self, reason: str) -> None:
        self.push("too_late", {})
        Room.ended.append((self.topic, reason))
        if self.topic == "room:hangs":
            await asyncio.sleep(1_000)
        if self.topic == "room:breaks":
            raise ValueError("as asked")


class Unmakeable(Channel):
    def __init__(self, socket: Socket, topic: str) -> None:
        super().__init__(socket, topic)
        raise ValueError("as asked")


class Censor(Channel):
    """Looks at every word before the client does."""

    intercept = frozenset({"word", "crash"})

    async def handle_out(self, event: str, payload: Any) -> None:
        if event == "crash":
            raise ValueError("as asked")
        if payload["word"] != "bad":
            await super().handle_out(event, {"word": payload["word"].upper()})


class Guest(Socket):
    channels: ClassVar[Any] = {"room:*": Room, "censored": Censor, "unmakeable": Unmakeable}

    async def connect(self) -> None:
        match self.info.params:
            case {"status": status}:
                raise ConnectRefused("asked", int(status))
            case {"slow": seconds}:
                await asyncio.sleep(float(seconds))

    def id(self) -> str | None:
        name = self.info.params.get("name")
        return None if name is None else f"guest:{name}"


@asynccontextmanager
async def serving(**limits: Any) -> AsyncIterator[tuple[Endpoint, list[Event]]]:
    """An endpoint, and everything it tells."""
    Room.ended.clear()
    told: list[Event] = []
    async with Endpoint(Guest, pubsub=LocalPubSub(), limits=Limits(**limits)) as endpoint:
        endpoint.telemetry.attach(told.append)
        yield endpoint, told


def told_of(told: list[Event], kind: type[Event]) -> list[Any]:
    return [event for event in told if isinstance(event, kind)]
