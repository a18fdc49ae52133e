"""Files over HTTP: what caches and players are told."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import httpx2
import pytest

from server.kernel.storage import Storage
from server.kernel.storage_disk import DiskStorage
from tests.media import serving

pytestmark = pytest.mark.anyio


@pytest.fixture
def disk(tmp_path: Path) -> DiskStorage:
    return DiskStorage(tmp_path / "media", secret="a secret")


@pytest.fixture
async def client(disk: DiskStorage) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=serving(disk))
    async with httpx2.AsyncClient(transport=transport, base_url="http://lumen.test") as client:
        yield client


async def test_a_file_may_be_kept_for_ever(disk: DiskStorage, client: httpx2.AsyncClient) -> None:
    await disk.put("a.jpg", b"jpeg", mime="image/jpeg")
    answer = await client.get(disk.url("a.jpg"))
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["accept-ranges"] == "bytes"


async def test_a_file_that_is_kept_is_not_sent_again(
    disk: DiskStorage, client: httpx2.AsyncClient
) -> None:
    await disk.put("a.jpg", b"jpeg", mime="image/jpeg")
    first = await client.get(disk.url("a.jpg"))
    again = await client.get(disk.url("a.jpg"), headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_the_head_of_a_file(disk: DiskStorage, client: httpx2.AsyncClient) -> None:
    await disk.put("a.mp4", b"0123", mime="video/mp4")
    answer = await client.head(disk.url("a.mp4"))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "4"


async def test_a_range_beyond_the_end_is_refused(
    disk: DiskStorage, client: httpx2.AsyncClient
) -> None:
    await disk.put("a.mp4", b"0123", mime="video/mp4")
    answer = await client.get(disk.url("a.mp4"), headers={"range": "bytes=9-"})
    assert answer.status_code == 416


async def test_what_is_not_there(disk: DiskStorage, client: httpx2.AsyncClient) -> None:
    assert (await client.get(disk.url("a.mp4"))).status_code == 404


@pytest.mark.parametrize("key", ["..%2f..%2fetc%2fpasswd", "%2e%2e/a.jpg", ".parts/a.jpg", "a"])
async def test_a_path_that_is_no_key(client: httpx2.AsyncClient, key: str) -> None:
    answer = await client.get(f"/media/{key}?e=99999999999&s=x")
    assert answer.status_code == 404


async def test_an_upload_cut_short_leaves_nothing(disk: DiskStorage, tmp_path: Path) -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield b"fi"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await disk.receive("a.mp4", cut(), size=4)
    assert [path for path in (tmp_path / "media").rglob("*") if path.is_file()] == []


async def test_with_another_storage_there_are_no_such_paths() -> None:
    transport = httpx2.ASGITransport(app=serving(cast("Storage", object())))
    async with httpx2.AsyncClient(transport=transport, base_url="http://lumen.test") as client:
        assert (await client.get("/media/a.jpg?e=1&s=x")).status_code == 404
