"""Profiles, settings, looking people up, and the copy of one's data."""

from typing import Any
from uuid import UUID

import httpx2
import msgspec
import pytest
from sqlalchemy import text
from starlette.applications import Starlette

from jobs.accounts import export
from jobs.pictures.job import look_at_picture
from server import profiles, users
from server.catalog import EXPORTERS
from server.kernel.ids import new_id
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.uploads import CheckUpload
from tests.integration.conftest import client_of
from tests.people import a_user
from tests.pictures import picture, uploaded

pytestmark = pytest.mark.anyio

ADA = {"username": "Ada_L", "email": "ada@example.org", "password": "correct horse"}
BOB = {"username": "bob", "email": "bob@example.org", "password": "correct horse"}


async def _signed_up(client: httpx2.AsyncClient, who: dict[str, str]) -> Viewer:
    body = (await client.post("/auth/register", json=who)).json()
    client.headers["authorization"] = f"Bearer {body['access_token']}"
    return Viewer(UUID(body["user"]["id"]), "user")


@pytest.mark.row("M-13")
@pytest.mark.row("T-06")
@pytest.mark.row("T-12")
async def test_a_profile_is_edited_by_its_owner_and_seen_by_anybody(
    app: Starlette, client: httpx2.AsyncClient
) -> None:
    await _signed_up(client, ADA)
    edit = {
        "display_name": "Ada  Lovelace",
        "bio": "Notes,\nand an engine.  ",
        "links": ["https://example.org/ada", "https://example.org/ada"],
    }
    edited = await client.patch("/users/me", json=edit)
    assert edited.status_code == 200, edited.text
    async with client_of(app) as visitor:
        seen = (await visitor.get("/users/ada_l")).json()
    assert seen["display_name"] == "Ada Lovelace"
    assert seen["bio"] == "Notes,\nand an engine."
    assert seen["links"] == ["https://example.org/ada"]
    assert (seen["follower_count"], seen["following_count"], seen["post_count"]) == (0, 0, 0)
    assert seen["created_at"]
    # Output is chosen field by field: nothing of the house's own, and no address (M-31).
    assert not {"email", "state", "settings", "password_hash", "avatar_key"} & set(seen)
    only_bio = (await client.patch("/users/me", json={"bio": ""})).json()
    assert (only_bio["bio"], only_bio["display_name"]) == ("", "Ada Lovelace")
    assert (await client.get("/users/nobody_here")).status_code == 404


@pytest.mark.row("M-31")
@pytest.mark.parametrize(
    ("edit", "status"),
    [
        ({"bio": "a" * 301}, 422),
        ({"bio": "👩‍👩‍👧‍👦" * 150}, 200),
        ({"links": ["http://example.org"]}, 422),
        ({"links": ["https://user:secret@example.org"]}, 422),
        ({"links": ["https://localhost/"]}, 422),
        ({"links": ["https://127.0.0.1/"]}, 422),
        ({"links": ["https://example.org/a b"]}, 422),
        ({"links": ["javascript:alert(1)"]}, 422),
        ({"links": [f"https://example.org/{n}" for n in range(6)]}, 422),
        ({"display_name": ""}, 422),
        ({"display_name": "a\u202eb"}, 422),
        ({"role": "admin"}, 422),
        ({"avatar": "uploads/somebody/else.jpg"}, 422),
        ({"avatar": "../secret"}, 422),
        ({"avatar": None}, 200),
    ],
)
async def test_what_a_profile_takes(
    client: httpx2.AsyncClient, edit: dict[str, Any], status: int
) -> None:
    await _signed_up(client, ADA)
    assert (await client.patch("/users/me", json=edit)).status_code == status


async def test_an_avatar_is_a_picture_that_its_owner_uploaded(
    app: Starlette, client: httpx2.AsyncClient
) -> None:
    await _signed_up(client, ADA)
    face = picture("JPEG", size=(400, 400))
    signed = await uploaded(client, face, "image/jpeg")
    early = await client.patch("/users/me", json={"avatar": signed["key"]})
    assert (early.status_code, early.json()["reason"]) == (409, "still_working")
    await look_at_picture(app.state.node.services, CheckUpload(UUID(signed["id"])))
    edited = (await client.patch("/users/me", json={"avatar": signed["key"]})).json()
    shown = await client.get(edited["avatar_url"])
    assert shown.headers["content-type"] == "image/jpeg"
    assert shown.content != face
    async with client_of(app) as other:
        await _signed_up(other, BOB)
        stolen = await other.patch("/users/me", json={"avatar": signed["key"]})
        assert stolen.json()["reason"] == "not_yours"


@pytest.mark.parametrize(
    "name",
    [
        "bob",
        "B o b",
        "Ьоb",  # noqa: RUF001 - Cyrillic letters that look like Latin ones
        "ｂｏｂ",  # noqa: RUF001 - full-width letters
        "b0b",
        "böb",
        "Admin",
        "Аdmin",  # noqa: RUF001 - the same
        "0fficial",
    ],
)
async def test_nobody_passes_for_somebody_else(
    app: Starlette, client: httpx2.AsyncClient, name: str
) -> None:
    async with client_of(app) as other:
        await _signed_up(other, BOB)
        own = await other.patch("/users/me", json={"display_name": "Bob"})
        assert own.status_code == 200
    await _signed_up(client, ADA)
    refused = await client.patch("/users/me", json={"display_name": name})
    assert refused.status_code == 409, refused.text
    assert refused.json()["reason"] == "looks_like_another"


async def test_the_database_sees_a_username_as_we_do(services: Services) -> None:
    names = ["Ivan_1", "warn0", "vvill", "modern", "Illi1", "plain_name"]
    async with services.write() as db:
        for name in names:
            await a_user(db, name)
        for name in names:
            seen = users.look(name)
            found = text(
                "select username from content.users where replace(replace("
                "translate(lower(username), 'i10', 'llo'), 'rn', 'm'), 'vv', 'w') = :seen"
            )
            assert name in (await db.execute(found, {"seen": seen})).scalars().all()


async def test_a_blocked_person_does_not_see_the_profile(
    app: Starlette, client: httpx2.AsyncClient
) -> None:
    await _signed_up(client, ADA)
    async with client_of(app) as other:
        await _signed_up(other, BOB)
        seen = (await other.get("/users/ada_l")).json()["viewer"]
        assert seen == {
            "following": False,
            "followed_by": False,
            "blocking": False,
            "muting": False,
        }
        assert (await client.put("/users/bob/block")).status_code == 200
        assert (await other.get("/users/ada_l")).status_code == 404
        assert (await client.get("/users/bob")).json()["viewer"]["blocking"] is True


async def test_settings_keep_what_is_not_given(client: httpx2.AsyncClient) -> None:
    await _signed_up(client, ADA)
    begun = (await client.get("/users/me/settings")).json()
    assert begun == {
        "private_follower_lists": False,
        "who_may_comment": "everyone",
        "who_may_mention": "everyone",
        "public_likes": False,
    }
    await client.patch("/users/me/settings", json={"private_follower_lists": True})
    changed = await client.patch("/users/me/settings", json={"public_likes": True})
    assert changed.json() == {**begun, "private_follower_lists": True, "public_likes": True}
    assert (await client.patch("/users/me/settings", json={"colour": "red"})).status_code == 422
    assert (
        await client.patch("/users/me/settings", json={"who_may_comment": "friends"})
    ).status_code == 422


@pytest.mark.row("T-32")
async def test_an_admin_looks_people_up_page_by_page(
    app: Starlette, client: httpx2.AsyncClient
) -> None:
    services: Services = app.state.node.services
    async with services.write() as db:
        for name in ("annabel", "anna", "anne", "bert"):
            await a_user(db, name)
    ada = await _signed_up(client, ADA)
    assert (await client.get("/admin/users")).status_code == 403
    async with services.write() as db:
        await users.set_role(db, Viewer(role="admin"), ada.id, "admin", services.clock.now())  # type: ignore[arg-type]
    renewed = await client.post(
        "/auth/login", json={"login": ADA["username"], "password": ADA["password"]}
    )
    client.headers["authorization"] = f"Bearer {renewed.json()['access_token']}"
    first = (await client.get("/admin/users", params={"q": "ann", "limit": 2})).json()
    assert [each["username"] for each in first["items"]] == ["anna", "annabel"]
    assert first["has_more"] is True
    more = {"q": "ann", "limit": 2, "cursor": first["next_cursor"]}
    second = (await client.get("/admin/users", params=more)).json()
    assert [each["username"] for each in second["items"]] == ["anne"]
    assert second["has_more"] is False
    by_address = await client.get("/admin/users", params={"q": "BERT@example.org"})
    assert [each["username"] for each in by_address.json()["items"]] == ["bert"]
    assert (await client.get("/admin/users", params={"cursor": "forged"})).status_code == 400


@pytest.mark.row("M-33")
async def test_an_admin_gives_and_takes_roles(app: Starlette, client: httpx2.AsyncClient) -> None:
    services: Services = app.state.node.services
    ada = await _signed_up(client, ADA)
    assert (await client.put("/users/ada_l/role", json={"role": "admin"})).status_code == 403
    async with services.write() as db:
        await a_user(db, "bert")
        await users.set_role(db, Viewer(role="admin"), ada.id, "admin", services.clock.now())  # type: ignore[arg-type]
    renewed = await client.post(
        "/auth/login", json={"login": ADA["username"], "password": ADA["password"]}
    )
    client.headers["authorization"] = f"Bearer {renewed.json()['access_token']}"

    async def role() -> str:
        return str((await client.get("/users/bert")).json()["role"])

    assert (await client.put("/users/bert/role", json={"role": "creator"})).status_code == 204
    assert await role() == "creator"
    assert (await client.delete("/users/bert/role")).status_code == 204
    assert await role() == "user"
    assert (await client.put("/users/nobody_x/role", json={"role": "user"})).status_code == 404


async def test_a_copy_of_ones_data_is_made_by_a_job_and_given_to_its_owner_only(
    app: Starlette, client: httpx2.AsyncClient
) -> None:
    services: Services = app.state.node.services
    await _signed_up(client, ADA)
    assert (await client.get("/users/me/export")).status_code == 404
    asked = (await client.post("/users/me/export")).json()
    assert asked["state"] == "waiting"
    # While one is being made, no other is begun.
    assert (await client.post("/users/me/export")).json()["id"] == asked["id"]
    where = f"/users/me/export/{asked['id']}"
    assert (await client.get(where)).status_code == 409
    async with services.database.read() as db:
        assert await profiles.waiting_exports(db, 10) == [UUID(asked["id"])]
    for _ in range(2):
        await export.make(services, profiles.MakeExport(UUID(asked["id"])))
    told = (await client.get("/users/me/export")).json()
    assert told["state"] == "ready"
    fetched = await client.get(where)
    assert fetched.headers["cache-control"] == "no-store"
    assert "attachment" in fetched.headers["content-disposition"]
    assert len(fetched.content) == told["size"]
    archive = msgspec.json.decode(fetched.content)
    assert {each.part for each in EXPORTERS} <= set(archive)
    assert archive["account"]["user"]["email"] == ADA["email"]
    assert "password" not in fetched.text
    async with client_of(app) as other:
        await _signed_up(other, BOB)
        assert (await other.get(where)).status_code == 404


async def test_counts_are_compared_with_what_they_count_and_mended(
    app: Starlette, client: httpx2.AsyncClient
) -> None:
    services: Services = app.state.node.services
    ada = await _signed_up(client, ADA)
    async with client_of(app) as other:
        bob = await _signed_up(other, BOB)
        assert (await other.put("/users/ada_l/follow")).status_code == 200
        assert (await client.post("/posts", json={"body": "A note"})).status_code == 201
    assert ada.id is not None
    assert bob.id is not None
    async with services.write() as db:
        assert await profiles.recount(db, [ada.id, bob.id, new_id()]) == 0
        await users.count(db, ada.id, followers=5, posts=-1)
    async with services.write() as db:
        assert await profiles.recount(db, [ada.id, bob.id]) == 1
    seen = (await client.get("/users/ada_l")).json()
    assert (seen["follower_count"], seen["following_count"], seen["post_count"]) == (1, 0, 1)
