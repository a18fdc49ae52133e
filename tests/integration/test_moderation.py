"""Reports, cases and verdicts over HTTP, and what is in the book of them."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text
from starlette.applications import Starlette

from server import audit, auth, items, moderation
from server.kernel.clock import FixedClock
from server.kernel.ids import new_id
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.moderation import cases
from server.moderation.http import operations
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio


@pytest.fixture
def services(app: Starlette) -> Services:
    served: Services = app.state.node.services
    return served


class World:
    """Two moderators, a writer, two readers, and a post of the writer's."""

    def __init__(self, app: Starlette, services: Services) -> None:
        self.app = app
        self.services = services
        self.people: dict[str, Viewer] = {}
        self.post = new_id()
        self.clients: dict[str, httpx2.AsyncClient] = {}

    async def ask(
        self, who: str, method: str, path: str, body: Any = None, status: int = 200
    ) -> Any:
        answer = await self.clients[who].request(method, path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def report(self, who: str, reason: str = "spam") -> Any:
        target = {"kind": "item", "id": str(self.post)}
        return await self.ask(who, "POST", "/reports", {"target": target, "reason": reason}, 201)

    async def only_case(self) -> Any:
        page = await self.ask("mona", "GET", "/admin/reports")
        assert len(page["items"]) == 1
        return page["items"][0]

    async def decide(self, case: str, status: int = 200, **decision: Any) -> Any:
        await self.ask("mona", "POST", f"/admin/reports/{case}/claim")
        path = f"/admin/reports/{case}/verdict"
        return await self.ask("mona", "POST", path, decision, status)

    async def deeds(self) -> Sequence[str]:
        page = await self.ask("mona", "GET", "/admin/audit?limit=200")
        return [each["action"] for each in reversed(page["items"])]

    async def state(self) -> tuple[str, str]:
        async with self.services.database.read() as db:
            row = await db.execute(
                text(
                    "select i.state, u.state from content.items i"
                    " join content.users u on u.id = i.author_id where i.id = :id"
                ),
                {"id": self.post},
            )
            item, user = row.one()
        return item, user


@pytest.fixture
async def world(app: Starlette, services: Services) -> AsyncIterator[World]:
    made = World(app, services)
    roles = {"mona": "admin", "moe": "admin", "writer": "user", "ada": "user", "bob": "user"}
    async with services.write() as db:
        for name, role in roles.items():
            made.people[name] = await a_user(db, name, role)
        made.post = await an_item(db, kind="TWEET", author=made.people["writer"])
    now = services.clock.now()
    for name, viewer in made.people.items():
        token = auth.access_token(services.policy, viewer, new_id(), now)
        made.clients[name] = await _opened(app, token)
    yield made
    for client in made.clients.values():
        await client.aclose()


async def _opened(app: Starlette, token: str) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    client = httpx2.AsyncClient(transport=transport, base_url="http://lumen.test")
    client.headers["authorization"] = f"Bearer {token}"
    return client


async def test_what_many_report_is_one_case_and_one_report_each(world: World) -> None:
    first = await world.report("ada")
    assert await world.report("ada", "abuse") == first
    await world.report("bob", "hate")

    case = await world.only_case()
    assert case["report_count"] == 2
    assert {each["reporter"]["username"] for each in case["reports"]} == {"ada", "bob"}
    assert case["author"]["username"] == "writer"
    assert case["excerpt"] == "A title A text"


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ({"kind": "item", "id": str(UUID(int=7))}, 404),
        ({"kind": "user", "id": str(UUID(int=7))}, 404),
        ({"kind": "slide", "id": str(UUID(int=7))}, 422),
        ({"kind": "user", "id": "ada"}, 403),
    ],
)
async def test_what_cannot_be_reported(world: World, target: dict[str, str], status: int) -> None:
    if target["id"] == "ada":
        target = {**target, "id": str(world.people["ada"].id)}
    await world.ask("ada", "POST", "/reports", {"target": target, "reason": "spam"}, status)


async def test_reports_of_one_person_are_limited(world: World) -> None:
    async with world.services.write() as db:
        posts = [await an_item(db, author=world.people["writer"]) for _ in range(11)]
    answers = []
    for post in posts:
        body = {"target": {"kind": "item", "id": str(post)}, "reason": "spam"}
        answers.append((await world.clients["ada"].post("/reports", json=body)).status_code)
    assert answers == [201] * 10 + [429]


@pytest.mark.row("M-20")
async def test_a_case_is_held_by_one_moderator_for_a_while(world: World) -> None:
    await world.report("ada")
    case = (await world.only_case())["id"]
    path = f"/admin/reports/{case}"
    verdict = {"verdict": "dismiss"}
    await world.ask("mona", "POST", f"{path}/verdict", verdict, 409)
    held = await world.ask("mona", "POST", f"{path}/claim")
    assert held["claimed_by"]["username"] == "mona"
    await world.ask("moe", "POST", f"{path}/claim", None, 409)
    await world.ask("moe", "POST", f"{path}/verdict", verdict, 409)
    await world.ask("moe", "DELETE", f"{path}/claim", None, 409)
    await world.ask("mona", "DELETE", f"{path}/claim", None, 204)
    await world.ask("moe", "POST", f"{path}/claim")
    closed = await world.ask("moe", "POST", f"{path}/verdict", verdict)
    assert (closed["state"], closed["verdict"]) == ("closed", "dismiss")
    await world.ask("moe", "POST", f"{path}/verdict", verdict, 409)
    done = await world.ask("mona", "GET", "/admin/reports?state=closed")
    assert [each["id"] for each in done["items"]] == [case]


async def test_a_claim_ends_by_itself(world: World) -> None:
    await world.report("ada")
    case = (await world.only_case())["id"]
    clock = FixedClock(world.services.clock.now())
    mona, moe = world.people["mona"], world.people["moe"]
    async with world.services.write() as db:
        await cases.claim(db, mona, UUID(case), clock.now())
    clock.advance(timedelta(minutes=15, seconds=1))
    async with world.services.write() as db:
        taken = await cases.claim(db, moe, UUID(case), clock.now())
    assert taken.claimed_by is not None
    assert taken.claimed_by.username == "moe"


@pytest.mark.row("D-03")
@pytest.mark.row("L-20")
async def test_a_takedown_removes_and_a_restore_brings_back(world: World) -> None:
    await world.report("ada")
    case = (await world.only_case())["id"]
    await world.decide(case, verdict="takedown", reason="spam", note="The third time.")
    assert await world.state() == ("retracted", "active")
    await world.ask("ada", "GET", f"/items/{world.post}", None, 404)
    kept = await world.ask("mona", "GET", f"/admin/items/{world.post}")
    assert (kept["state"], kept["removed_for"], kept["note"]) == (
        "retracted",
        "spam",
        "The third time.",
    )
    path = f"/admin/items/{world.post}"
    await world.ask("mona", "PUT", path, {"state": "removed"}, 409)
    await world.ask("mona", "PUT", path, {"state": "live", "note": "We were wrong."})
    await world.ask("ada", "GET", f"/items/{world.post}")
    await world.ask("mona", "PUT", path, {"state": "live"}, 409)
    assert await world.deeds() == ["case.claim", "item.takedown", "case.takedown", "item.restore"]
    async with world.services.database.read() as db:
        told = await db.execute(
            text("select payload from ops.outbox where topic = 'moderation.decided' order by id")
        )
        assert [row.payload["verdict"] for row in told] == ["takedown", "restore"]


async def test_what_its_author_deleted_is_not_restored(world: World) -> None:
    async with world.services.write() as db:
        await items.retract(db, world.people["writer"], [world.post])
    path = f"/admin/items/{world.post}"
    await world.ask("mona", "PUT", path, {"state": "live"}, 409)
    assert await world.state() == ("retracted", "active")


@pytest.mark.parametrize(
    ("verdict", "state"), [("shadowban", "shadowbanned"), ("suspend", "suspended")]
)
async def test_a_verdict_on_whoever_wrote_it(world: World, verdict: str, state: str) -> None:
    await world.report("ada")
    case = (await world.only_case())["id"]
    await world.decide(case, verdict=verdict, reason="abuse")
    assert await world.state() == ("live", state)
    person = await world.ask("mona", "GET", f"/admin/users/{world.people['writer'].id}")
    assert (person["state"], person["reason"]) == (state, "abuse")
    path = f"/admin/users/{world.people['writer'].id}"
    await world.ask("mona", "PUT", path, {"state": "active"})
    assert await world.state() == ("live", "active")


async def test_admins_are_not_judged(world: World) -> None:
    path = f"/admin/users/{world.people['moe'].id}"
    await world.ask("mona", "PUT", path, {"state": "suspended"}, 403)


@pytest.mark.parametrize("until", ["2020-01-01T00:00:00Z", "2990-01-01T00:00:00", "tomorrow"])
async def test_an_end_that_is_none(world: World, until: str) -> None:
    path = f"/admin/users/{world.people['writer'].id}"
    await world.ask("mona", "PUT", path, {"state": "suspended", "until": until}, 422)


async def test_a_suspension_ends_at_its_time(world: World) -> None:
    now = world.services.clock.now()
    path = f"/admin/users/{world.people['writer'].id}"
    until = (now + timedelta(days=2)).isoformat()
    await world.ask("mona", "PUT", path, {"state": "suspended", "until": until})
    for later, ended in ((timedelta(days=1), 0), (timedelta(days=3), 1), (timedelta(days=3), 0)):
        async with world.services.write() as db:
            assert await moderation.end_suspensions(db, now + later) == ended
    assert await world.state() == ("live", "active")
    assert await world.deeds() == ["user.suspend", "user.reinstate"]


async def test_nobody_else_moderates(world: World, client: httpx2.AsyncClient) -> None:
    for operation in operations:
        if operation.access != "admin":
            continue
        path = operation.path.replace("{id}", str(world.post))
        await world.ask("ada", operation.method, path, {}, 403)
        assert (await client.request(operation.method, path, json={})).status_code == 401
    async with world.services.database.read() as db:
        assert (await audit.verify(db)).entries == 0


async def test_cases_come_in_pages(world: World) -> None:
    async with world.services.write() as db:
        posts = [await an_item(db, author=world.people["writer"]) for _ in range(5)]
        for post in posts:
            target = moderation.Target("item", post)
            new = moderation.NewReport(target, "spam")
            await moderation.report(db, world.people["ada"], new, world.services.clock.now())
    cursor, seen = "", []
    while True:
        page = await world.ask("mona", "GET", f"/admin/reports?limit=2&cursor={cursor}")
        seen += [each["target"]["id"] for each in page["items"]]
        if not page["has_more"]:
            break
        cursor = page["next_cursor"]
    assert seen == [str(post) for post in posts]
    await world.ask("mona", "GET", "/admin/reports?cursor=forged", None, 400)
    await world.ask("mona", "GET", f"/admin/reports?state=closed&cursor={cursor}", None, 400)


async def test_parked_events_are_seen_and_tried_again(world: World) -> None:
    page = await world.ask("mona", "GET", "/admin/events")
    assert page["items"] == []
    assert await world.ask("mona", "POST", "/admin/events/revive") == {"count": 0}
    assert await world.deeds() == ["events.revive"]
