"""AsyncAPI 3.0, written from the channels themselves and from the events of the outbox."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from server.kernel.channel import TypedChannel
from server.kernel.outbox import Event

_PLACE = "#/components/schemas/{name}"


def document(
    title: str,
    version: str,
    channels: Mapping[str, type[TypedChannel]],
    events: Sequence[type[Event]] = (),
) -> Any:
    """Write the document of these channels and of these events between servers."""
    kinds = [kind for channel in channels.values() for kind in _kinds(channel)] + list(events)
    unique = list({id(kind): kind for kind in kinds}.values())
    schemas, components = msgspec.json.schema_components(unique, ref_template=_PLACE)
    by_kind = {id(kind): schema for kind, schema in zip(unique, schemas, strict=True)}
    described: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for topic, channel in channels.items():
        name = topic.replace(":", "_").replace("*", "id")
        described[name] = _channel(topic, channel, by_kind)
        operations |= _operations(name, channel)
    for event in events:
        message = {"name": event.topic, "payload": by_kind[id(event)]}
        about = (event.__doc__ or "").strip()
        name = event.topic.replace(".", "_")
        described[name] = {
            "address": event.topic,
            "description": f"{about} Told between servers through the outbox.",
            "messages": {"event": message},
        }
    written = {
        "asyncapi": "3.0.0",
        "info": {"title": title, "version": version, "description": _ABOUT},
        "channels": described,
        "operations": operations,
        "components": {"schemas": components},
    }
    return msgspec.to_builtins(written)


_ABOUT = (
    "Phoenix channels at /socket/websocket?vsn=2.0.0, as the npm package `phoenix` speaks them. "
    "A client joins a topic with `phx_join`, pushes events and gets a reply to each: "
    '`{"status": "ok", "response": …}` or `{"status": "error", "response": {"reason": …}}`. '
    "Where websockets are blocked the same client polls /socket/longpoll; who only listens may "
    "stream /socket/sse?vsn=2.0.0&topics=…&join[TOPIC]={…}."
)


def _kinds(channel: type[TypedChannel]) -> Iterable[Any]:
    yield channel.joins
    for on in channel.handles.values():
        yield on.takes
    yield from channel.pushes.values()
    replies = (channel.join_returns, *(on.returns for on in channel.handles.values()))
    yield from (kind for kind in replies if kind is not None)


def _channel(topic: str, channel: type[TypedChannel], schemas: Mapping[int, Any]) -> dict[str, Any]:
    messages: dict[str, Any] = {
        "in-phx_join": {"name": "phx_join", "payload": schemas[id(channel.joins)]}
    }
    if channel.join_returns is not None:
        reply = schemas[id(channel.join_returns)]
        messages["reply-phx_join"] = {"name": "phx_reply", "payload": reply}
    for event, on in channel.handles.items():
        messages[f"in-{event}"] = {"name": event, "payload": schemas[id(on.takes)]}
        if on.returns is not None:
            messages[f"reply-{event}"] = {"name": "phx_reply", "payload": schemas[id(on.returns)]}
    for event, kind in channel.pushes.items():
        messages[f"out-{event}"] = {"name": event, "payload": schemas[id(kind)]}
    parameters: dict[str, Any] = {"parameters": {"id": {}}} if "*" in topic else {}
    return {
        "address": topic.replace("*", "{id}"),
        "description": (channel.__doc__ or "").strip(),
        "messages": messages,
        **parameters,
    }


def _operations(name: str, channel: type[TypedChannel]) -> dict[str, Any]:
    def ref(key: str) -> dict[str, str]:
        return {"$ref": f"#/channels/{name}/messages/{key}"}

    written: dict[str, Any] = {}
    for event in ("phx_join", *channel.handles):
        operation: dict[str, Any] = {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{name}"},
            "messages": [ref(f"in-{event}")],
        }
        returns = channel.join_returns if event == "phx_join" else channel.handles[event].returns
        if returns is not None:
            operation["reply"] = {"messages": [ref(f"reply-{event}")]}
            operation["reply"]["channel"] = {"$ref": f"#/channels/{name}"}
        written[f"{name}-{event}"] = operation
    if channel.pushes:
        written[f"{name}-pushes"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "messages": [ref(f"out-{event}") for event in channel.pushes],
        }
    return written
