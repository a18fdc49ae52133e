"""Resumable uploads: the wire of tus 1.0, and the official client as its judge."""

import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import httpx2
import pytest
from msgspec.structs import replace
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect

from jobs import schedule
from server.kernel.clock import FixedClock
from server.kernel.services import Services
from server.kernel.storage import PART_BYTES
from server.kernel.viewer import Viewer
from server.uploads import resuming
from server.uploads.resuming import Busy, Piece
from tests.e2e.judging import judged
from tests.integration.conftest import client_of
from tests.integration.test_people_http import _as
from tests.people import a_user
from tests.pictures import picture

pytestmark = pytest.mark.anyio
TUS = {"tus-resumable": "1.0.0"}
PIECE = {**TUS, "content-type": "application/offset+octet-stream"}


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


async def _begun(client: httpx2.AsyncClient, size: int, mime: str = "image/png") -> str:
    metadata = f"filetype {base64.b64encode(mime.encode()).decode()},filename YQ=="
    headers = {**TUS, "upload-length": str(size), "upload-metadata": metadata}
    answer = await client.post("/uploads/tus", headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


async def _add(
    client: httpx2.AsyncClient, url: str, offset: int, content: bytes, **more: str
) -> httpx2.Response:
    headers = {**PIECE, "upload-offset": str(offset), **more}
    return await client.patch(url, content=content, headers=headers)


async def _offset(client: httpx2.AsyncClient, url: str) -> int:
    answer = await client.head(url, headers=TUS)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return int(answer.headers["upload-offset"])


@pytest.mark.row("M-23")
async def test_the_official_client_uploads_is_cut_off_and_goes_on(
    app: Starlette, services: Services, viewer: Viewer
) -> None:
    token = _as(services, viewer)["authorization"].removeprefix("Bearer ")
    seen = await judged(app, "tus_upload.mjs", "tus-js-client", token, path="/uploads/tus")
    assert seen["cut"]["offsets"] == [3 * 2**20, 6 * 2**20, 9 * 2**20]
    # It asked where to go on, and sent nothing again.
    assert seen["resumed"]["statuses"][0] == 200
    assert seen["resumed"]["offsets"][0] == 12 * 2**20
    assert seen["resumed"]["offsets"][-1] == seen["size"]
    assert seen["resumed"]["url"] == seen["cut"]["url"]
    assert seen["whole"]["statuses"] == [201, 204]
    assert seen["gone"] == 410
    async with services.database.read() as db:
        rows = await db.execute(text("select id, key, state from content.uploads order by id"))
        found = {str(row.id): row for row in rows}
    film = found[seen["resumed"]["url"].rpartition("/")[2]]
    assert film.state == "arrived"
    assert hashlib.sha256(await services.storage.get(film.key)).hexdigest() == seen["sha256"]
    assert sorted(each.state for each in found.values()) == ["arrived", "arrived", "purged"]


async def test_what_is_spoken_here(client: httpx2.AsyncClient) -> None:
    answer = await client.options("/uploads/tus")
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    told = set(answer.headers["tus-extension"].split(","))
    assert told == {"creation", "checksum", "termination", "expiration"}
    assert "sha1" in answer.headers["tus-checksum-algorithm"]


async def test_pieces_of_any_size_make_the_file(
    ada: httpx2.AsyncClient, services: Services
) -> None:
    given = picture("PNG", size=(600, 400))
    url = await _begun(ada, len(given))
    cuts = [0, 1, 1, 500, 900, len(given)]
    for start, end in pairwise(cuts):
        assert await _offset(ada, url) == start
        added = await _add(ada, url, start, given[start:end])
        assert (added.status_code, added.headers["upload-offset"]) == (204, str(end))
    state = (await ada.get(f"/uploads/{url.rpartition('/')[2]}")).json()
    assert state["state"] == "arrived"
    assert await services.storage.get(state["key"]) == given
    # Nothing lies beside it any more.
    assert not await services.storage.exists(state["key"].replace(".png", "-tail.bin"))


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"tus-resumable": "0.9"}, 412, "wrong_version"),
        ({"content-type": "application/json"}, 415, "not_a_piece"),
        ({"upload-offset": "7"}, 409, "conflict"),
        ({"upload-offset": "-1"}, 422, "malformed"),
        ({"upload-checksum": "crc32 AAAA"}, 422, "malformed"),
        ({"upload-checksum": "sha1 " + base64.b64encode(bytes(20)).decode()}, 460, None),
    ],
)
async def test_what_does_not_fit_is_refused_and_nothing_is_kept(
    ada: httpx2.AsyncClient, headers: dict[str, str], status: int, reason: str | None
) -> None:
    url = await _begun(ada, 10)
    refused = await _add(ada, url, 0, b"12345", **headers)
    assert (refused.status_code, refused.json()["reason"]) == (
        status,
        reason or "checksum_mismatch",
    )
    assert await _offset(ada, url) == 0
    right = base64.b64encode(hashlib.sha1(b"12345", usedforsecurity=False).digest()).decode()
    added = await _add(ada, url, 0, b"12345", **{"upload-checksum": f"sha1 {right}"})
    assert added.headers["upload-offset"] == "5"


async def test_more_than_was_announced_is_refused(ada: httpx2.AsyncClient) -> None:
    url = await _begun(ada, 10)
    assert (await _add(ada, url, 0, bytes(11))).status_code == 413
    assert await _offset(ada, url) == 0


async def test_what_came_before_the_connection_broke_stays(
    ada: httpx2.AsyncClient, services: Services, viewer: Viewer
) -> None:
    size = PART_BYTES + 5000
    url = await _begun(ada, size, "video/mp4")
    upload_id = UUID(url.rpartition("/")[2])

    async def broken() -> AsyncIterator[bytes]:
        yield b"a" * (PART_BYTES + 1000)
        raise ClientDisconnect

    added = await resuming.add(services, viewer, upload_id, Piece(0, broken()))
    assert added.received == PART_BYTES + 1000
    assert await _offset(ada, url) == PART_BYTES + 1000
    assert (await _add(ada, url, PART_BYTES + 1000, b"b" * 4000)).status_code == 204
    content = await services.storage.get(added.key)
    assert content == b"a" * (PART_BYTES + 1000) + b"b" * 4000


async def test_one_request_at_a_time_adds(
    ada: httpx2.AsyncClient, services: Services, viewer: Viewer
) -> None:
    url = await _begun(ada, 10)
    upload_id = UUID(url.rpartition("/")[2])
    met: list[str] = []

    async def slow() -> AsyncIterator[bytes]:
        yield b"12"
        try:
            await resuming.add(services, viewer, upload_id, Piece(0, _bytes(b"xx")))
        except Busy:
            met.append("busy")
        yield b"34"

    await resuming.add(services, viewer, upload_id, Piece(0, slow()))
    assert met == ["busy"]
    assert await _offset(ada, url) == 4
    # One that is silent for long is taken to be dead, and its late word counts no more.
    later = replace(services, clock=FixedClock(services.clock.now() + timedelta(minutes=2)))

    async def dead() -> AsyncIterator[bytes]:
        yield b"56"
        await resuming.add(later, viewer, upload_id, Piece(4, _bytes(b"other ")))

    with pytest.raises(Busy):
        await resuming.add(services, viewer, upload_id, Piece(4, dead()))
    state: dict[str, Any] = (await ada.get(f"/uploads/{upload_id}")).json()
    assert await services.storage.get(state["key"]) == b"1234other "


async def test_what_nobody_goes_on_with_ends(ada: httpx2.AsyncClient, services: Services) -> None:
    url = await _begun(ada, 10)
    await _add(ada, url, 0, b"12345")
    assert "GMT" in (await ada.head(url, headers=TUS)).headers["upload-expires"]
    later = replace(services, clock=FixedClock(services.clock.now() + timedelta(hours=26)))
    await schedule.purge_uploads(later)
    assert (await ada.head(url, headers=TUS)).status_code == 410
    assert (await _add(ada, url, 5, b"12345")).status_code == 410
    async with services.database.read() as db:
        used = await db.execute(text("select sum(bytes) from content.upload_usage"))
        assert used.scalar_one() == 0


async def test_what_is_no_picture_film_or_sound_is_not_begun(ada: httpx2.AsyncClient) -> None:
    metadata = {"upload-metadata": f"filetype {base64.b64encode(b'text/html').decode()}"}
    for headers in (metadata, {"upload-metadata": "filetype ?"}, {}):
        asked = await ada.post("/uploads/tus", headers={**TUS, "upload-length": "9", **headers})
        assert asked.status_code == 422


async def test_nobody_adds_to_what_is_anothers(
    ada: httpx2.AsyncClient, services: Services, app: Starlette
) -> None:
    url = await _begun(ada, 10)
    async with services.write() as db:
        bob = await a_user(db, "bob")
    async with client_of(app) as other:
        other.headers.update(_as(services, bob))
        assert (await other.head(url, headers=TUS)).status_code == 404
        assert (await _add(other, url, 0, b"12345")).status_code == 404
        assert (await other.delete(url, headers=TUS)).status_code == 404


async def _bytes(content: bytes) -> AsyncIterator[bytes]:
    yield content
