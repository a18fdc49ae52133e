"""Uploads from the signed link to what is shown of them, and to their end."""

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from io import BytesIO
from typing import Any
from uuid import UUID

import httpx2
import pytest
from msgspec.structs import replace
from PIL import Image
from sqlalchemy import text
from starlette.applications import Starlette

from jobs import schedule
from jobs.pictures.job import look_at_picture
from server import catalog, uploads
from server.kernel.clock import FixedClock
from server.kernel.outbox import by_topic
from server.kernel.relay import Relay
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.uploads import CheckUpload
from tests.integration.conftest import client_of
from tests.integration.test_people_http import _as
from tests.people import a_user
from tests.pictures import picture, uploaded

pytestmark = pytest.mark.anyio


class Screen:
    """What an open screen is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, Any]] = []

    async def broadcast(self, topic: str, event: str, payload: object) -> None:
        self.told.append((topic, event, payload))


@pytest.fixture
async def viewer(services: Services) -> Viewer:
    async with services.write() as db:
        return await a_user(db, "ada")


@pytest.fixture
async def ada(
    app: Starlette, services: Services, viewer: Viewer
) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(app) as client:
        client.headers.update(_as(services, viewer))
        yield client


async def _looked_at(services: Services, signed: dict[str, Any]) -> None:
    await look_at_picture(services, CheckUpload(UUID(signed["id"])))


async def _state(client: httpx2.AsyncClient, signed: dict[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = (await client.get(f"/uploads/{signed['id']}")).json()
    return state


async def _usage(services: Services) -> int:
    async with services.database.read() as db:
        found = await db.execute(text("select coalesce(sum(bytes), 0) from content.upload_usage"))
        return int(found.scalar_one())


def _later(services: Services, **more: float) -> Services:
    return replace(services, clock=FixedClock(services.clock.now() + timedelta(**more)))


@pytest.mark.row("M-23")
@pytest.mark.row("M-06")
@pytest.mark.row("M-05")
async def test_a_phones_picture_is_shown_upright_small_and_without_its_place(
    ada: httpx2.AsyncClient, services: Services, viewer: Viewer
) -> None:
    screen = Screen()
    watched = services.with_publisher(screen)
    given = picture("JPEG", size=(1600, 1200), orientation=6)
    signed = await uploaded(ada, given, "image/jpeg")
    assert (await _state(ada, signed))["state"] == "arrived"
    await _looked_at(watched, signed)
    await _relayed(watched)
    state = await _state(ada, signed)
    assert state["state"] == "checked"
    assert (state["width"], state["height"]) == (1200, 1600)
    assert state["taken_at"] == "2024-05-06T07:08:09+02:00"
    assert len(state["placeholder"]) > 20
    async with services.database.read() as db:
        (made,) = (await uploads.pictures(db, [signed["key"]])).values()
    assert [each.width for each in made.sizes] == [320, 640, 1200]
    for each in (made.plain, *made.sizes):
        kept = await services.storage.get(each.key)
        assert each.key.split("/")[-1].startswith(hashlib.sha256(kept).hexdigest())
        with Image.open(BytesIO(kept)) as shown:
            assert shown.size == (each.width, each.height)
            assert not shown.getexif()
            assert not {"exif", "icc_profile", "comment", "xmp"} & set(shown.info)
            # The corner that was at the top left of the sensor is at the top right now.
            red, _, blue = shown.convert("RGB").getpixel((each.width - 9, 9))  # type: ignore[misc]
            assert red > 200
            assert blue < 60
    # What was uploaded says where it was taken: it is not kept.
    assert not await services.storage.exists(signed["key"])
    mine = [
        told for topic, event, told in screen.told if (topic, event) == (_inbox(viewer), "media")
    ]
    assert mine[-1].state == "checked"
    assert {each.state for each in mine[:-1]} == {"working"}


@pytest.mark.row("M-23")
async def test_the_same_bytes_are_worked_on_once(
    ada: httpx2.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = picture("PNG")
    first = await uploaded(ada, given, "image/png")
    await _looked_at(services, first)
    monkeypatch.setattr("jobs.pictures.job.developed", None)
    again = await uploaded(ada, given, "image/png")
    await _looked_at(services, again)
    states = [await _state(ada, each) for each in (first, again)]
    assert states[0]["preview_url"] == states[1]["preview_url"]
    # A job that comes twice does nothing.
    await _looked_at(services, again)


@pytest.mark.row("M-32")
@pytest.mark.parametrize(
    ("content", "mime", "reason"),
    [
        (picture("PNG"), "image/jpeg", "It says that it is a JPEG picture, and is none."),
        (picture("PNG", size=(900, 20)), "image/png", "It is 900 by 20: too narrow to be shown."),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "image/png", "It says that it is a PNG picture"),
        (picture("JPEG", size=(300, 300))[:900], "image/jpeg", "It is broken, or no JPEG"),
    ],
)
async def test_what_cannot_be_shown_is_refused_with_a_reason(
    ada: httpx2.AsyncClient, services: Services, content: bytes, mime: str, reason: str
) -> None:
    signed = await uploaded(ada, content, mime)
    await _looked_at(services, signed)
    state = await _state(ada, signed)
    assert state["state"] == "refused"
    assert state["error"].startswith(reason)
    posted = await ada.post("/posts", json={"media": [{"key": signed["key"]}]})
    assert (posted.status_code, posted.json()["detail"]) == (422, state["error"])
    # What was refused takes no room, and is not kept.
    assert await _usage(services) == 0
    assert not await services.storage.exists(signed["key"])


@pytest.mark.row("M-32")
async def test_checksums_hold_from_end_to_end(ada: httpx2.AsyncClient, services: Services) -> None:
    given = picture("PNG")
    sha256 = hashlib.sha256(given).hexdigest()
    asked = {"size": len(given), "mime": "image/png", "sha256": sha256}
    signed = (await ada.post("/uploads/sign", json=asked)).json()
    assert signed["headers"]["content-digest"].startswith("sha-256=:")
    other = given[:-1] + bytes([given[-1] ^ 1])
    wrong = await ada.put(signed["upload_url"], content=other, headers=signed["headers"])
    assert wrong.status_code == 422
    lying = {**signed["headers"], "content-digest": "sha-256=:AAAA:"}
    assert (await ada.put(signed["upload_url"], content=given, headers=lying)).status_code == 422
    right = await ada.put(signed["upload_url"], content=given, headers=signed["headers"])
    assert right.status_code == 204
    # Whatever the storage let in, the job looks again.
    await services.storage.put(signed["key"], other, mime="image/png")
    await _looked_at(services, signed)
    assert "Other bytes" in (await _state(ada, signed))["error"]


async def test_no_more_is_taken_than_there_is_room_for(
    ada: httpx2.AsyncClient, services: Services
) -> None:
    asked = {"size": 25 * 2**20, "mime": "image/png"}
    for _ in range(40):
        assert (await ada.post("/uploads/sign", json=asked)).status_code == 201
    full = await ada.post("/uploads/sign", json=asked)
    assert (full.status_code, full.json()["reason"]) == (403, "quota_exceeded")
    assert full.json()["quota"] == 1000 * 2**20
    too_large = await ada.post("/uploads/sign", json={**asked, "size": 25 * 2**20 + 1})
    assert too_large.status_code == 422
    # Links that nobody used end, and give their room back.
    await schedule.purge_uploads(_later(services, hours=2))
    assert await _usage(services) == 0
    assert (await ada.post("/uploads/sign", json=asked)).status_code == 201


async def test_what_nothing_shows_is_purged_and_what_a_post_shows_stays(
    ada: httpx2.AsyncClient, services: Services
) -> None:
    unused = await uploaded(ada, picture("PNG"), "image/png")
    used = await uploaded(ada, picture("JPEG"), "image/jpeg")
    for each in (unused, used):
        await _looked_at(services, each)
    posted = await ada.post("/posts", json={"media": [{"key": used["key"]}]})
    async with services.database.read() as db:
        made = await uploads.pictures(db, [unused["key"], used["key"]])
    await schedule.purge_uploads(_later(services, days=3))
    assert [(await _state(ada, each))["state"] for each in (unused, used)] == ["purged", "attached"]
    assert not await services.storage.exists(made[unused["key"]].plain.key)
    assert await services.storage.exists(made[used["key"]].plain.key)
    assert len((await ada.get(f"/items/{posted.json()['id']}")).json()["pictures"]) == 1
    gone = await ada.post("/posts", json={"media": [{"key": unused["key"]}]})
    assert gone.json()["reason"] == "not_yours"


async def test_what_two_uploads_hold_goes_with_the_last_of_them(
    ada: httpx2.AsyncClient, services: Services
) -> None:
    given = picture("PNG")
    first = await uploaded(ada, given, "image/png")
    second = await uploaded(ada, given, "image/png")
    for each in (first, second):
        await _looked_at(services, each)
    await ada.post("/posts", json={"media": [{"key": second["key"]}]})
    async with services.database.read() as db:
        (made,) = (await uploads.pictures(db, [first["key"]])).values()
    await schedule.purge_uploads(_later(services, days=3))
    assert await services.storage.exists(made.plain.key)
    async with services.database.begin() as db:
        owner = (await db.execute(text("select owner_id from content.upload_usage"))).scalar_one()
        await uploads.forget_person(db, owner, services.clock.now())
    await schedule.purge_uploads(_later(services, minutes=1))
    assert not await services.storage.exists(made.plain.key)


async def test_a_sweep_finds_what_arrived_and_nobody_told_of(
    ada: httpx2.AsyncClient, services: Services
) -> None:
    given = picture("PNG")
    signed = (
        await ada.post("/uploads/sign", json={"size": len(given), "mime": "image/png"})
    ).json()
    await services.storage.put(signed["key"], given, mime="image/png")
    later = _later(services, minutes=1)
    await schedule.look_at_uploads(later)
    assert (await _state(ada, signed))["state"] == "arrived"
    await services.redis.flushall()
    await schedule.look_at_uploads(_later(services, minutes=2))
    assert (await services.queue.depths())["media"].waiting == 1


async def test_who_says_that_it_is_there_must_have_put_it_there(
    ada: httpx2.AsyncClient, services: Services
) -> None:
    signed = (await ada.post("/uploads/sign", json={"size": 9, "mime": "image/png"})).json()
    early = await ada.post(f"/uploads/{signed['id']}/arrived")
    assert early.json()["reason"] == "not_yours"
    await services.storage.put(signed["key"], bytes(9), mime="image/png")
    for _ in range(2):
        told = await ada.post(f"/uploads/{signed['id']}/arrived")
        assert told.json()["state"] == "arrived"


async def test_nobody_sees_what_another_uploads(
    ada: httpx2.AsyncClient, services: Services, app: Starlette
) -> None:
    signed = await uploaded(ada, picture("PNG"), "image/png")
    async with services.write() as db:
        bob = await a_user(db, "bob")
    async with client_of(app) as client:
        assert (await client.get(f"/uploads/{signed['id']}")).status_code == 401
        client.headers.update(_as(services, bob))
        assert (await client.get(f"/uploads/{signed['id']}")).status_code == 404
        assert (await client.post(f"/uploads/{signed['id']}/arrived")).status_code == 404


async def test_an_attempt_that_fell_silent_is_taken_over_and_at_last_given_up(
    ada: httpx2.AsyncClient, services: Services
) -> None:
    signed = await uploaded(ada, picture("PNG"), "image/png")
    upload_id, now = UUID(signed["id"]), services.clock.now()
    for attempt in range(3):
        at = now + timedelta(minutes=2 * attempt)
        async with services.write() as db:
            begun = await uploads.begin(db, upload_id, now=at)
        assert begun is not None
        async with services.write() as db:
            assert await uploads.begin(db, upload_id, now=at) is None
    async with services.write() as db:
        assert await uploads.begin(db, upload_id, now=now + timedelta(minutes=9)) is None
        # The late answer of one that was taken for dead changes nothing.
        assert not await uploads.check(db, begun, bytes(32), now=now)
    assert (await _state(ada, signed))["state"] == "refused"


def _inbox(viewer: Viewer) -> str:
    return f"user:{viewer.id}"


async def _relayed(services: Services) -> None:
    relay = Relay(services, by_topic(catalog.REACTIONS))
    while await relay.deliver():
        pass
