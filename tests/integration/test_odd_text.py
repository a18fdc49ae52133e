"""Text that PostgreSQL cannot keep, or that is none, is refused at every door."""

from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from realtime.testing import connect
from server import auth
from server.kernel.ids import new_id
from server.kernel.services import Services
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio

NEW = {"username": "Ada_L", "email": "ada@example.org", "password": "correct horse"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/auth/login", {"login": "ada\0", "password": "correct horse"}),
        ("/auth/login", {"login": "ada", "password": "correct\0horse"}),
        ("/auth/register", NEW | {"username": "ada\0"}),
        ("/auth/register", NEW | {"email": "ada\0@example.org"}),
        ("/auth/register", NEW | {"display_name": "\0"}),
    ],
)
async def test_a_visitor_who_sends_a_nul_is_refused(
    client: httpx2.AsyncClient, path: str, body: dict[str, Any]
) -> None:
    answer = await client.post(path, json=body)
    assert (answer.status_code, answer.json()["reason"]) == (422, "malformed")


async def test_text_that_only_speaks_of_a_nul_is_taken(client: httpx2.AsyncClient) -> None:
    named = NEW | {"display_name": r"Escapes \u0000 in text"}
    assert (await client.post("/auth/register", json=named)).status_code == 201


@pytest.mark.parametrize("body", [b'{"login": "\xed\xa0\x80", "password": "x"}', b'"\\u0000', b"{"])
async def test_a_body_that_is_no_text_is_malformed(client: httpx2.AsyncClient, body: bytes) -> None:
    answer = await client.post("/auth/login", content=body)
    assert (answer.status_code, answer.json()["reason"]) == (422, "malformed")


async def test_a_nul_is_refused_in_comments_sources_and_queries(
    client: httpx2.AsyncClient, services: Services
) -> None:
    async with services.write() as db:
        root, item_id = await a_user(db, "root", "admin"), await an_item(db)
    token = auth.access_token(services.policy, root, new_id(), services.clock.now())
    bearer = {"authorization": f"Bearer {token}"}
    commented = await client.post(
        f"/items/{item_id}/comments", json={"body": "Hel\0lo"}, headers=bearer
    )
    added = [
        await client.post("/sources", json=body, headers=bearer)
        for body in (
            {"url": "https://one.example/\0feed"},
            {"url": "https://one.example/feed", "title": "O\0ne"},
        )
    ]
    asked = await client.get("/feed/news?cursor=%00")
    reasons = [answer.json()["reason"] for answer in (commented, *added, asked)]
    assert reasons == ["malformed"] * 4


async def test_a_nul_is_refused_on_channels(app: Starlette, services: Services) -> None:
    async with services.write() as db:
        ada, item_id = await a_user(db, "ada"), await an_item(db)
    token = auth.access_token(services.policy, ada, new_id(), services.clock.now())
    client, topic = await connect(app.state.node.endpoint, auth_token=token), f"item:{item_id}"
    refused = await client.join(topic, {"nested": [{"\0": 1}]})
    assert refused.response["reason"] == "malformed"
    assert (await client.join(topic)).ok
    reply = await client.request(topic, "comment", {"body": "\0"})
    assert reply.response["reason"] == "malformed"
