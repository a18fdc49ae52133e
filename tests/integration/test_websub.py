"""A hub tells of what is new: what it is asked, what it asks back, and whose word is taken."""

import hashlib
import hmac
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs

import httpx2
import pytest
from msgspec.structs import replace
from sqlalchemy import text
from starlette.applications import Starlette

from jobs.ingest import desk
from jobs.ingest.refresh import refresh, take_in
from jobs.ingest.subscribe import subscribe
from jobs.ingest.turns import Pace
from server import items, sources
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.sources import NewSource, RefreshSource, Source, Subscribe, Subscription, TakeIn
from tests.pages import Answer, Pages, item, rss, serving

pytestmark = pytest.mark.anyio
HOUSE = Viewer(role="admin")


@pytest.fixture(autouse=True)
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "PACE", Pace(spacing_seconds=0.001, burst=100))


@pytest.fixture
def pages() -> Iterator[Pages]:
    with serving() as opened:
        yield opened


async def subscribed(services: Services, pages: Pages) -> tuple[Services, Source]:
    """A source whose hub was asked."""
    reachable = replace(
        services, policy=replace(services.policy, public_url="https://lumen.example")
    )
    pages.put("/hub", Answer(status=202))
    head = {"link": f'<{pages.url}/hub>; rel="hub", <{pages.url}/topic>; rel="self"'}
    url = pages.put("/feed", Answer(rss(item("a")), headers=head))
    async with services.write() as db:
        source = await sources.add(db, HOUSE, NewSource(url=url), services.clock.now())
    await refresh(reachable, RefreshSource(source.id))
    await subscribe(reachable, Subscribe(source.id))
    return reachable, source


async def agreed(services: Services, source: Source) -> Subscription:
    async with services.database.read() as db:
        found = await sources.subscription(db, source.id)
    assert found is not None
    return found


def intent(pages: Pages, **more: str) -> dict[str, str]:
    asked = {"mode": "subscribe", "topic": f"{pages.url}/topic", "challenge": "abc"} | more
    return {f"hub.{name}": value for name, value in asked.items()}


async def test_a_hub_is_asked_and_what_it_asks_back_is_answered(
    services: Services, pages: Pages, client: httpx2.AsyncClient
) -> None:
    services, source = await subscribed(services, pages)
    form = {name: each[0] for name, each in parse_qs(pages.asked[-1].body.decode()).items()}
    assert pages.asked[-1].method == "POST"
    assert (form["hub.mode"], form["hub.topic"]) == ("subscribe", f"{pages.url}/topic")
    assert form["hub.callback"] == f"https://lumen.example/websub/{source.id}"

    door = f"/websub/{source.id}"
    assert (await agreed(services, source)).state == "wanted"
    strange = await client.get(door, params=intent(pages, topic="https://other.example/"))
    assert strange.status_code == 404
    answer = await client.get(door, params=intent(pages, lease_seconds="3600"))
    assert (answer.status_code, answer.text) == (200, "abc")
    now = await agreed(services, source)
    assert now.state == "active"
    assert now.expires_at is not None
    assert now.ask_at is not None
    left = now.expires_at - services.clock.now()
    assert timedelta(minutes=55) < left <= timedelta(hours=1)
    assert now.ask_at < now.expires_at


async def test_what_a_hub_tells_is_taken_if_it_has_signed_it(
    services: Services, pages: Pages, client: httpx2.AsyncClient
) -> None:
    services, source = await subscribed(services, pages)
    door = f"/websub/{source.id}"
    await client.get(door, params=intent(pages))
    pushed = rss(item("a"), item("pushed"))
    secret = (await agreed(services, source)).secret
    made = hmac.new(secret.encode(), pushed, hashlib.sha256).hexdigest()
    forged = await client.post(door, content=pushed, headers={"x-hub-signature": "sha256=00"})
    assert forged.status_code == 202
    await take_in(services, TakeIn(source.id))
    async with services.database.read() as db:
        assert len(await items.of_sources(db, [source.id])) == 1
    taken = await client.post(door, content=pushed, headers={"x-hub-signature": f"sha256={made}"})
    assert taken.status_code == 202
    await take_in(services, TakeIn(source.id))
    async with services.database.read() as db:
        found = await items.by_ids(db, await items.of_sources(db, [source.id]))
        after = (await sources.by_ids(db, [source.id]))[source.id]
    assert {each.title for each in found.values()} == {"a", "pushed"}
    # While the hub tells us, we only ask now and then.
    assert after.next_check_at - services.clock.now() > timedelta(hours=5)


async def test_nobody_can_subscribe_or_push_in_our_name(
    services: Services, pages: Pages, client: httpx2.AsyncClient
) -> None:
    async with services.write() as db:
        new = NewSource(url="https://a.example/feed")
        source = await sources.add(db, HOUSE, new, services.clock.now())
    door = f"/websub/{source.id}"

    assert (await client.get(door, params=intent(pages))).status_code == 404
    assert (await client.post(door, content=b"x")).status_code == 404
    assert (await client.get(door)).status_code in {400, 422}


async def test_a_hub_that_refuses_is_not_believed_in_and_the_source_is_asked(
    services: Services, pages: Pages, client: httpx2.AsyncClient
) -> None:
    services, source = await subscribed(services, pages)
    refusal = intent(pages, mode="denied", reason="No such topic")
    answer = await client.get(f"/websub/{source.id}", params=refusal)

    assert answer.status_code == 200
    now = await agreed(services, source)
    assert (now.state, now.error) == ("denied", "No such topic")
    async with services.database.read() as db:
        assert source.id in await sources.due(db, services.clock.now())


async def test_a_lease_is_renewed_and_a_silent_hub_asked_again(
    services: Services, pages: Pages, client: httpx2.AsyncClient
) -> None:
    services, source = await subscribed(services, pages)
    now = services.clock.now()
    async with services.database.read() as db:
        assert await sources.due_hubs(db, now) == []
        assert await sources.due_hubs(db, now + timedelta(minutes=11)) == [source.id]
    await client.get(f"/websub/{source.id}", params=intent(pages, lease_seconds="86400"))
    async with services.database.read() as db:
        assert await sources.due_hubs(db, now + timedelta(hours=18)) == []
        assert await sources.due_hubs(db, now + timedelta(hours=20)) == [source.id]


async def test_an_empty_push_and_one_too_many_have_the_source_asked(
    services: Services, pages: Pages, client: httpx2.AsyncClient, app: Starlette
) -> None:
    assert app is not None
    services, source = await subscribed(services, pages)
    await client.get(f"/websub/{source.id}", params=intent(pages))
    secret = (await agreed(services, source)).secret.encode()
    for content in (rss(item("1")), rss(item("2")), b""):
        made = hmac.new(secret, content, hashlib.sha512).hexdigest()
        await client.post(
            f"/websub/{source.id}", content=content, headers={"x-hub-signature": f"sha512={made}"}
        )
    async with services.database.read() as db:
        topics = (
            await db.execute(text("select topic from ops.outbox order by id desc limit 3"))
        ).scalars()
        assert list(topics) == ["source.due", "source.due", "source.file_given"]
