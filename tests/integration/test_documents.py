"""The documents are what foreign validators call valid, and hold all that routes."""

import json
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from server.app import ALL_OPERATIONS
from server.catalog import CHANNELS
from server.events import EVENTS
from server.kernel.outbox import Event

pytestmark = pytest.mark.anyio

SPECS = Path(__file__).parents[2] / "node_modules" / "@asyncapi" / "specs" / "schemas"


async def fetch(client: httpx2.AsyncClient, path: str) -> Any:
    response = await client.get(path)
    assert response.status_code == 200
    return response.json()


async def test_openapi_is_valid_and_names_every_operation(client: httpx2.AsyncClient) -> None:
    document = await fetch(client, "/openapi.json")

    OpenAPIV31SpecValidator(document).validate()
    named = {o["operationId"] for by in document["paths"].values() for o in by.values()}
    assert named == {operation.name for operation in ALL_OPERATIONS}
    assert all(o["summary"] for by in document["paths"].values() for o in by.values())


async def test_asyncapi_is_valid_and_names_every_event(client: httpx2.AsyncClient) -> None:
    document = await fetch(client, "/asyncapi.json")

    schema = json.loads((SPECS / "3.0.0.json").read_text("utf-8"))
    jsonschema.Draft7Validator(schema).validate(document)
    told = {m["name"] for c in document["channels"].values() for m in c["messages"].values()}
    for channel in CHANNELS.values():
        assert set(channel.handles) | set(channel.pushes) <= told
    assert {event.topic for event in EVENTS} <= told


async def test_the_judge_of_asyncapi_does_judge(client: httpx2.AsyncClient) -> None:
    document = await fetch(client, "/asyncapi.json")
    schema = json.loads((SPECS / "3.0.0.json").read_text("utf-8"))
    document["operations"] = {"broken": {"action": "shout"}}

    assert not jsonschema.Draft7Validator(schema).is_valid(document)


def test_every_event_is_in_the_catalog() -> None:
    ours = {kind for kind in _below(Event) if kind.__module__.startswith("server.")}

    assert set(EVENTS) == {kind for kind in ours if hasattr(kind, "topic")}
    assert len(EVENTS) == len({kind.topic for kind in EVENTS})


def _below(kind: type[Event]) -> set[type[Event]]:
    """Find what inherits from a kind of event, also by way of others."""
    return {each for child in kind.__subclasses__() for each in {child, *_below(child)}}


async def test_a_person_can_read_them(client: httpx2.AsyncClient) -> None:
    response = await client.get("/docs")

    assert response.headers["content-type"].startswith("text/html")
    assert "feed:news" in response.text
    assert "/feed/news" in response.text
