"""A POST that is sent again is done once, whatever happened to the first."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from msgspec import Struct
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.kernel import idempotency
from server.kernel.endpoint import Call, Edge, Nothing, Operation, problem_response
from server.kernel.idempotency import Claim, KeyInUse
from server.kernel.ids import new_id
from server.kernel.problems import Conflict, Problem
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from tests.integration.conftest import client_of
from tests.people import an_item

pytestmark = [pytest.mark.anyio, pytest.mark.row("K14")]


class Said(Struct, frozen=True):
    word: str


class Made(Struct, frozen=True):
    id: str


async def make(call: Call[Said, Nothing]) -> Made:
    """Make an item."""
    async with call.services.write() as db:
        item_id = await an_item(db)
    if call.body.word == "refuse":
        raise Conflict("Not that.")
    return Made(str(item_id))


OPERATIONS = [
    Operation(
        method="POST",
        path=path,
        handler=make,
        access="user",
        body=Said,
        returns=Made,
        status=201,
        needs_key=path == "/must",
    )
    for path in ("/things", "/others", "/must")
]


async def _refused(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return problem_response(problem)


@pytest.fixture
def viewer() -> Viewer:
    return Viewer(new_id(), "user")


@pytest.fixture
def things(services: Services, viewer: Viewer) -> Starlette:
    """An app of three endpoints and one person, without the front."""
    routes = [Route(o.path, Edge(o).__call__, methods=[o.method]) for o in OPERATIONS]
    inner = Starlette(routes=routes, exception_handlers={Problem: _refused})

    async def front(scope: Any, receive: Any, send: Any) -> None:
        who = dict(scope["headers"]).get(b"x-who")
        scope["lumen.viewer"] = Viewer(new_id(), "user") if who else viewer
        scope["lumen.services"] = services
        await inner(scope, receive, send)

    return front  # type: ignore[return-value]


async def _post(
    client: httpx2.AsyncClient, key: str | None = "k", path: str = "/things", word: str = "a"
) -> httpx2.Response:
    headers = {} if key is None else {"idempotency-key": key}
    return await client.post(path, json={"word": word}, headers=headers)


async def _items(services: Services) -> int:
    async with services.database.read() as db:
        return int((await db.execute(text("select count(*) from content.items"))).scalar_one())


async def test_the_same_key_is_done_once_and_answered_the_same(
    services: Services, things: Starlette
) -> None:
    async with client_of(things) as client:
        first = await _post(client)
        again = await _post(client)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.content == again.content
        assert "idempotency-replayed" not in first.headers
        assert again.headers["idempotency-replayed"] == "true"
        assert await _items(services) == 1
        # Another key, another address, another person, or none: another request.
        await _post(client, "other")
        await _post(client, path="/others")
        await _post(client, None)
        await client.post(
            "/things", json={"word": "a"}, headers={"idempotency-key": "k", "x-who": "1"}
        )
        assert await _items(services) == 5


async def test_a_key_with_another_content_is_refused(services: Services, things: Starlette) -> None:
    async with client_of(things) as client:
        await _post(client)
        refused = await _post(client, word="b")
    assert refused.status_code == 422
    assert refused.json()["reason"] == "key_reused"
    assert await _items(services) == 1


async def test_what_was_refused_had_no_effect_and_may_be_sent_mended(
    services: Services, things: Starlette
) -> None:
    async with client_of(things) as client:
        assert (await _post(client, word="refuse")).status_code == 409
        assert await _items(services) == 0
        assert (await _post(client)).status_code == 201
    assert await _items(services) == 1


async def test_a_request_that_is_being_done_is_not_done_beside_itself(
    services: Services, things: Starlette, viewer: Viewer
) -> None:
    async with services.database.begin() as db:
        claimed = Claim(viewer, "/things", "k", b"x")
        assert await idempotency.claim(db, claimed, services.clock.now()) is None
        async with client_of(things) as client:
            refused = await _post(client)
            assert refused.status_code == 409
            assert refused.json()["reason"] == "key_in_use"
        assert await _items(services) == 0
        with pytest.raises(KeyInUse):
            async with services.database.begin() as other:
                await idempotency.claim(other, claimed, services.clock.now())


async def test_twenty_at_once_make_one(services: Services, things: Starlette) -> None:
    async with client_of(things) as client:
        answers = await asyncio.gather(*(_post(client) for _ in range(20)))
    made = {each.content for each in answers if each.status_code == 201}
    assert len(made) == 1
    assert {each.status_code for each in answers} <= {201, 409}
    assert await _items(services) == 1


async def test_a_toggle_without_a_key_is_refused(services: Services, things: Starlette) -> None:
    async with client_of(things) as client:
        assert (await _post(client, None, "/must")).status_code == 422
        assert (await _post(client, "k", "/must")).status_code == 201
        for wrong in ("", "a b", "x" * 201):
            assert (await _post(client, wrong)).status_code == 422
    assert await _items(services) == 1


async def test_after_a_day_a_key_is_new_and_is_forgotten(
    services: Services, things: Starlette, viewer: Viewer
) -> None:
    now = services.clock.now()
    claimed = Claim(viewer, "/things", "k", b"x")
    async with services.database.begin() as db:
        assert await idempotency.claim(db, claimed, now - timedelta(hours=24)) is None
        await idempotency.keep(db, claimed, idempotency.Answer(201, b"{}"))
    async with client_of(things) as client:
        assert (await _post(client)).status_code == 201
        assert (await _post(client)).headers["idempotency-replayed"] == "true"
    async with services.database.begin() as db:
        assert not await idempotency.forget(db, now + timedelta(hours=23))
        left = text("select count(*) from ops.idempotency_keys")
        assert (await db.execute(left)).scalar_one() == 1
        await idempotency.forget(db, now + timedelta(hours=25))
        assert (await db.execute(left)).scalar_one() == 0
