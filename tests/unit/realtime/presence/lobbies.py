"""Nodes whose clients see each other."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar

from realtime import Channel, Endpoint, Limits, Ok, Socket
from realtime.presence import Pace, Presence
from realtime.telemetry import Event
from realtime.testing import Client, Network, NetworkPubSub, connect

TOPIC = "lobby:1"


class Lobby(Channel):
    """Tracks whoever joins, under the name that they give."""

    presence: Presence

    async def join(self, params: Any) -> Any:
        self.presence = self.socket.assigns["presence"]
        if params.get("early"):
            self.presence.track(self, "early")
        if params.get("crash"):
            raise ValueError("as asked")
        self.send_info(params)

    async def handle_info(self, message: Any) -> None:
        self.push("presence_state", await self.presence.list(self))
        if "name" in message:
            self.presence.track(self, message["name"], {"device": message.get("device", "web")})

    async def handle_in(self, event: str, payload: Any) -> Ok:
        match event:
            case "track":
                return Ok({"ref": self.presence.track(self, payload["key"], payload.get("meta"))})
            case "update":
                return Ok({"ref": self.presence.update(self, payload["key"], payload["meta"])})
            case "count":
                ref = self.presence.update(self, payload["key"], lambda m: {**m, "n": 1})
                return Ok({"ref": ref})
            case "untrack":
                self.presence.untrack(self, payload["key"])
                return Ok()
            case "flicker":
                for n in range(3):
                    self.presence.track(self, f"f{n}")
                self.presence.untrack(self, "f0")
                self.presence.update(self, "f1", {"n": 1})
                return Ok()
            case _:
                raise ValueError(event)


class Visitor(Socket):
    channels: ClassVar[Any] = {"lobby:*": Lobby}


class Node:
    """One endpoint with its presence."""

    def __init__(self, endpoint: Endpoint, presence: Presence, end: NetworkPubSub) -> None:
        self.endpoint = endpoint
        self.end = end  # of the way to the others
        self.presence = presence
        self.told: list[Event] = []
        endpoint.telemetry.attach(self.told.append)

    async def visit(self, name: str | None = None, **params: Any) -> Client:
        """Join the lobby and take the presence_state."""
        client = await connect(self.endpoint)
        said = {**params, "name": name} if name else params
        assert (await client.join(TOPIC, said)).ok
        state = await client.receive("presence_state")
        client.connection.socket.assigns["state"] = state.payload
        return client

    async def names(self) -> set[str]:
        return set(await self.presence.list(TOPIC))


@asynccontextmanager
async def nodes(
    count: int = 1, kind: type[Presence] = Presence, pace: Pace | None = None, **how: Any
) -> AsyncIterator[tuple[Network, list[Node]]]:
    """Nodes that share a network."""
    network = Network()
    async with AsyncExitStack() as stack:
        made = [one_node(network, kind, pace, **how) for _ in range(count)]
        yield network, [await stack.enter_async_context(node) for node in made]


@asynccontextmanager
async def one_node(
    network: Network,
    kind: type[Presence] = Presence,
    pace: Pace | None = None,
    *,
    limits: Mapping[str, Any] | None = None,
    **how: Any,
) -> AsyncIterator[Node]:
    found: list[Presence] = []

    def make_socket(info: Any) -> Socket:
        socket = Visitor(info)
        socket.assigns["presence"] = found[0]
        return socket

    end = network.pubsub()
    bounds = Limits(idle_timeout_s=1e6, **(limits or {}))
    async with Endpoint(make_socket, pubsub=end, limits=bounds) as endpoint:
        found.append(kind(endpoint, pace=pace or Pace(), **how))
        async with found[0]:
            yield Node(endpoint, found[0], end)
