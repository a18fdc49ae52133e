"""Liking, keeping, commenting and the inbox over HTTP."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx2
import pytest
from starlette.applications import Starlette

from server import auth, catalog
from server.kernel.ids import new_id
from server.kernel.outbox import by_topic
from server.kernel.relay import Relay
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from tests.integration.conftest import client_of
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio


def _as(services: Services, viewer: Viewer) -> dict[str, str]:
    token = auth.access_token(services.policy, viewer, new_id(), services.clock.now())
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
async def ada(app: Starlette, services: Services) -> AsyncIterator[httpx2.AsyncClient]:
    async with services.write() as db:
        viewer = await a_user(db, "ada")
    async with client_of(app) as client:
        client.headers.update(_as(services, viewer))
        yield client


@pytest.fixture
async def bob(app: Starlette, services: Services) -> AsyncIterator[httpx2.AsyncClient]:
    async with services.write() as db:
        viewer = await a_user(db, "bob")
    async with client_of(app) as client:
        client.headers.update(_as(services, viewer))
        yield client


@pytest.fixture
async def item_id(services: Services) -> UUID:
    async with services.write() as db:
        return await an_item(db)


async def _relay(services: Services) -> None:
    relay = Relay(services, by_topic(catalog.REACTIONS))
    while await relay.deliver():
        pass


@pytest.mark.row("L-40")
@pytest.mark.row("T-37")
@pytest.mark.parametrize(
    ("edge", "field", "flag"),
    [
        ("like", "likes", "liked_by_me"),
        ("bookmark", "bookmarks", "bookmarked_by_me"),
        ("repost", "reposts", "reposted_by_me"),
    ],
)
async def test_edges_are_set_and_taken_back_idempotently(
    ada: httpx2.AsyncClient, item_id: UUID, edge: str, field: str, flag: str
) -> None:
    path = f"/items/{item_id}/{edge}"
    for method, present in (("PUT", True), ("PUT", True), ("DELETE", False), ("DELETE", False)):
        answer = await ada.request(method, path)
        assert answer.status_code == 200
        flags = {"liked_by_me", "bookmarked_by_me", "reposted_by_me"}
        assert set(answer.json()) == {"id", "counts", *flags}
        assert answer.json()["counts"][field] == int(present)
        assert answer.json()[flag] is present
        assert (await ada.get(f"/items/{item_id}")).json()[flag] is present


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "reason"),
    [
        ("PUT", "/items/{missing}/like", None, 404, "no_such_item"),
        ("PUT", "/items/nonsense/like", None, 422, "malformed"),
        ("GET", "/items/{missing}", None, 404, "no_such_item"),
        ("GET", "/items/{missing}/comments", None, 404, "no_such_item"),
        ("GET", "/items/{item}/comments?cursor=x", None, 400, "cursor_invalid"),
        ("GET", "/items/{item}/comments?limit=0", None, 422, "malformed"),
        ("POST", "/items/{item}/comments", {"body": " "}, 422, "malformed"),
        ("POST", "/items/{item}/comments", {"text": "no body"}, 422, "malformed"),
        ("POST", "/items/{item}/comments", {"body": "x", "parent_id": "y"}, 422, "malformed"),
        ("POST", "/notifications/read", {"up_to": "x"}, 422, "malformed"),
        ("GET", "/notifications?cursor=forged", None, 400, "cursor_invalid"),
    ],
)
async def test_what_cannot_be_done_is_told_as_a_problem(
    ada: httpx2.AsyncClient,
    item_id: UUID,
    method: str,
    path: str,
    body: Any,
    status: int,
    reason: str,
) -> None:
    answer = await ada.request(method, path.format(item=item_id, missing=new_id()), json=body)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/items/{item}/like"),
        ("DELETE", "/items/{item}/bookmark"),
        ("POST", "/items/{item}/comments"),
        ("GET", "/notifications"),
        ("POST", "/notifications/read"),
        ("GET", "/auth/me"),
    ],
)
async def test_visitors_are_asked_to_sign_in(
    client: httpx2.AsyncClient, item_id: UUID, method: str, path: str
) -> None:
    answer = await client.request(method, path.format(item=item_id), json={"body": "Hello"})
    assert (answer.status_code, answer.json()["reason"]) == (401, "sign_in_first")


@pytest.mark.row("L-40")
async def test_a_comment_is_written_listed_and_counted(
    ada: httpx2.AsyncClient, client: httpx2.AsyncClient, item_id: UUID
) -> None:
    path = f"/items/{item_id}/comments"
    written = await ada.post(path, json={"body": "First!"})
    assert written.status_code == 201
    again = await ada.post(path, json={"body": "First!"})
    assert again.json()["id"] == written.json()["id"]
    answer = await ada.post(path, json={"body": "Second.", "parent_id": written.json()["id"]})
    page = (await client.get(path)).json()
    assert [each["id"] for each in page["items"]] == [answer.json()["id"], written.json()["id"]]
    assert page["cursor"] == page["next_cursor"]
    assert page["has_more"] is False
    assert page["items"][0]["parent_id"] == written.json()["id"]
    as_item = (await client.get(f"/items/{written.json()['id']}")).json()
    assert (as_item["type"], as_item["target_id"]) == ("COMMENT", str(item_id))
    assert "body_html" in as_item


@pytest.mark.row("M-29")
async def test_an_unchanged_item_is_not_sent_again(
    ada: httpx2.AsyncClient, client: httpx2.AsyncClient, item_id: UUID
) -> None:
    first = await client.get(f"/items/{item_id}")
    etag = {"if-none-match": first.headers["etag"]}
    assert (await client.get(f"/items/{item_id}", headers=etag)).status_code == 304
    # What one reader sees of it is not what another does.
    assert (await ada.get(f"/items/{item_id}", headers=etag)).status_code == 200


@pytest.mark.row("D-10")
@pytest.mark.row("D-20")
async def test_what_concerns_somebody_waits_in_their_inbox(
    ada: httpx2.AsyncClient, bob: httpx2.AsyncClient, services: Services, item_id: UUID
) -> None:
    path = f"/items/{item_id}/comments"
    mine = (await ada.post(path, json={"body": "What do you think?"})).json()["id"]
    await bob.post(path, json={"body": "Much.", "parent_id": mine})
    await bob.put(f"/items/{mine}/like")
    await _relay(services)
    inbox = (await ada.get("/notifications")).json()
    assert inbox["unread_count"] == 2
    assert sorted(each["kind"] for each in inbox["items"]) == ["like", "reply"]
    assert all(each["item_id"] == str(item_id) for each in inbox["items"])
    assert (await bob.get("/notifications")).json()["items"] == []
    marked = await ada.post("/notifications/read", json={})
    assert marked.json() == {"unread_count": 0, "unseen_count": 0}
    assert all(each["read"] for each in (await ada.get("/notifications")).json()["items"])
