"""Where websockets are blocked: the long poll does all of it, and REST continues at its cursor."""

import json
from typing import Any
from uuid import UUID

import httpx2
import pytest
from starlette.applications import Starlette

from server.kernel.services import Services
from tests import newsroom

pytestmark = pytest.mark.anyio


@pytest.fixture
def services(app: Starlette) -> Services:
    """The services of the app itself."""
    served: Services = app.state.node.services
    return served


@pytest.fixture
async def stock(services: Services) -> list[UUID]:
    return await newsroom.fill(services.database)


class Poller:
    """A browser's long poll: it sends its cookies, and the socket's own token."""

    def __init__(self, client: httpx2.AsyncClient, auth: str | None) -> None:
        self._client = client
        self._auth = {"x-phoenix-authtoken": auth} if auth else {}
        self._token = ""
        self._refs = 0
        self.seen: list[Any] = []

    async def poll(self) -> int:
        query = {"vsn": "2.0.0", "token": self._token}
        response = await self._client.get("/socket/longpoll", params=query, headers=self._auth)
        answered = response.json()
        self._token = answered.get("token", "")
        self.seen += map(json.loads, answered.get("messages", ()))
        status: int = answered["status"]
        return status

    async def ask(self, topic: str, event: str, payload: Any) -> Any:
        self._refs += 1
        ref = str(self._refs)
        response = await self._client.post(
            "/socket/longpoll",
            params={"vsn": "2.0.0", "token": self._token},
            headers={"content-type": "application/x-ndjson"},
            content=json.dumps(["1", ref, topic, event, payload]),
        )
        assert response.json() == {"status": 200}
        answer = await self.until(lambda m: m[1] == ref and m[3] == "phx_reply")
        assert answer[4]["status"] == "ok", answer
        return answer[4]["response"]

    async def until(self, fits: Any) -> Any:
        while not (found := [message for message in self.seen if fits(message)]):
            assert await self.poll() == 200
        self.seen.remove(found[0])
        return found[0]


async def test_the_feed_over_long_polls_goes_on_in_rest(
    client: httpx2.AsyncClient, stock: list[UUID]
) -> None:
    assert len(stock) > 20
    answer = await client.post(
        "/auth/register",
        json={"username": "ada", "email": "ada@example.org", "password": "a long pass phrase"},
    )
    poller = Poller(client, answer.json()["access_token"])
    assert await poller.poll() == 410

    joined = await poller.ask("feed:news", "phx_join", {"limit": 2})
    assert len(joined["slides"]) == 2
    first = joined["slides"][0]["featured"]["id"]
    assert (await poller.ask("feed:news", "watch", {"ids": [first]}))["items"]
    await poller.ask("feed:news", "like", {"id": first})
    await poller.ask("feed:news", "ack", {"seq": 2})
    slide = await poller.until(lambda m: m[3] == "slide")

    page = await client.get("/feed/news", params={"cursor": slide[4]["cursor"], "limit": 1})
    given = {s["slide_id"] for s in joined["slides"]} | {slide[4]["slide"]["slide_id"]}
    assert page.status_code == 200
    assert not given & {s["slide_id"] for s in page.json()["slides"]}


async def test_a_visitor_polls_too_and_a_bad_token_is_refused(client: httpx2.AsyncClient) -> None:
    assert await Poller(client, None).poll() == 410
    assert await Poller(client, "nonsense").poll() == 403
