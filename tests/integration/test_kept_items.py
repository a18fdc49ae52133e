"""Single items as visitors see them: made once, and never shown once they are gone."""

from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text
from starlette.applications import Starlette

from server import auth, engagement, items
from server.catalog import REACTIONS
from server.display.kept import kept_items
from server.kernel.cache import made
from server.kernel.ids import new_id
from server.kernel.outbox import by_topic
from server.kernel.relay import Relay
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio


@pytest.fixture
def services(app: Starlette) -> Services:
    served: Services = app.state.node.services
    return served


@pytest.fixture
async def author(services: Services) -> Viewer:
    async with services.write() as db:
        return await a_user(db, "ada")


@pytest.fixture
async def item_id(services: Services, author: Viewer) -> UUID:
    async with services.write() as db:
        return await an_item(db, kind="TWEET", author=author)


def times_made() -> float:
    count: float = made.labels("post")._value.get()
    return count


@pytest.mark.row("T-26")
@pytest.mark.row("K16")
async def test_an_item_is_made_once_for_all_visitors(
    client: httpx2.AsyncClient, services: Services, item_id: UUID
) -> None:
    before = times_made()
    bodies = [(await client.get(f"/items/{item_id}")).json() for _ in range(5)]
    assert times_made() == before + 1
    assert all(body == bodies[0] for body in bodies)
    assert 3590 < await services.redis.ttl(f"post:{item_id}") <= 3600
    async with services.write() as db:
        await engagement.like(db, await a_user(db, "bob"), item_id)
        await engagement.fold_once(db)
    assert (await client.get(f"/items/{item_id}")).json()["counts"]["likes"] == 1
    assert times_made() == before + 1


@pytest.mark.parametrize(
    "statement",
    [
        "update content.items set state = 'retracted'",
        "update content.users set state = 'shadowbanned'",
        "update content.users set state = 'suspended'",
    ],
)
async def test_what_may_not_be_seen_is_gone_before_the_word_of_it_is_out(
    client: httpx2.AsyncClient, services: Services, item_id: UUID, statement: str
) -> None:
    assert (await client.get(f"/items/{item_id}")).status_code == 200
    async with services.database.begin() as db:
        await db.execute(text(statement))
    assert (await client.get(f"/items/{item_id}")).status_code == 404


async def test_an_edit_and_a_new_name_are_seen_at_once(
    client: httpx2.AsyncClient, services: Services, item_id: UUID
) -> None:
    await client.get(f"/items/{item_id}")
    async with services.database.begin() as db:
        await db.execute(text("update content.items set title = 'Another', edited_at = now()"))
        await db.execute(text("update content.users set display_name = 'Countess'"))
    body = (await client.get(f"/items/{item_id}")).json()
    assert (body["title"], body["author"]["name"]) == ("Another", "Countess")
    before = times_made()
    await client.get(f"/items/{item_id}")
    assert times_made() <= before + 1


async def test_the_word_of_a_change_makes_it_be_forgotten(
    client: httpx2.AsyncClient, services: Services, item_id: UUID
) -> None:
    await client.get(f"/items/{item_id}")
    async with services.write() as db:
        await items.retract(db, Viewer(role="admin"), [item_id])
        await items.restore(db, [item_id])
    relay = Relay(services, by_topic(REACTIONS))
    while await relay.deliver():
        pass
    before = times_made()
    assert (await client.get(f"/items/{item_id}")).status_code == 200
    assert times_made() == before + 1
    assert kept_items(services) is kept_items(services)


@pytest.mark.row("M-29")
async def test_public_answers_are_kept_for_a_moment_and_asked_for_again(
    client: httpx2.AsyncClient, item_id: UUID
) -> None:
    first = await client.get(f"/items/{item_id}")
    assert first.headers["cache-control"] == "public, max-age=1, must-revalidate"
    assert first.headers["vary"] == "authorization, cookie"
    etag = first.headers["etag"]
    for given in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await client.get(f"/items/{item_id}", headers={"if-none-match": given})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
    other = await client.get(f"/items/{item_id}", headers={"if-none-match": '"other"'})
    assert other.status_code == 200


async def test_what_is_of_a_person_is_kept_by_nobody(
    client: httpx2.AsyncClient, services: Services, author: Viewer, item_id: UUID
) -> None:
    token = auth.access_token(services.policy, author, new_id(), services.clock.now())
    for path in (f"/items/{item_id}", "/auth/me", "/notifications", "/feed/foryou"):
        answer = await client.get(path, headers={"authorization": f"Bearer {token}"})
        assert "no-store" in answer.headers["cache-control"], path
