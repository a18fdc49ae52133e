"""Films and sounds on real stores: from an upload to what is played, once, and after mishaps."""

import asyncio
import os
import signal
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from jobs import schedule
from jobs.media import job as encode_job
from jobs.media.job import encode_upload
from jobs.media.studio import NotEncoded
from server import media
from server.kernel.clock import FixedClock
from server.kernel.ids import new_id
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.media import encoding, reactions
from server.media.made import AGEING, MOST_TRIES, QUIET, Encoding
from server.uploads.events import UploadArrived
from tests import films
from tests.people import a_user

pytestmark = pytest.mark.anyio


class Screens:
    """What open screens are told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, Any]] = []

    async def broadcast(self, topic: str, event: str, payload: object) -> None:
        self.told.append((topic, event, payload))


async def brought(services: Services, owner: Viewer, source: Path, mime: str) -> UUID:
    """Store a file as an upload that arrived, and let media react to it."""
    upload_id, content = new_id(), await asyncio.to_thread(source.read_bytes)
    key = f"uploads/{owner.id.hex}/{upload_id.hex}.mp4"
    await services.storage.put(key, content, mime="video/mp4")
    now = services.clock.now()
    row = text(
        """
        insert into content.uploads (id, owner_id, key, mime, size, state, expires_at)
        values (:id, :owner, :key, :mime, :size, 'arrived', :ends)
        """
    )
    values = {"id": upload_id, "owner": owner.id, "key": key, "mime": mime, "size": len(content)}
    async with services.write() as db:
        await db.execute(row, {**values, "ends": now + timedelta(days=1)})
        event = UploadArrived(id=upload_id, owner_id=owner.id, mime=mime)
        await reactions.on_upload(services, db, event)
    return upload_id


@pytest.fixture
async def owner(services: Services) -> Viewer:
    async with services.write() as db:
        return await a_user(db, "maker")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return films.film(tmp_path / "film.mp4", pixels="yuv422p")


async def state_of(services: Services, owner: Viewer, upload_id: UUID) -> Encoding:
    async with services.database.read() as db:
        return await encoding.one(db, owner, upload_id)


async def upload_state(services: Services, upload_id: UUID) -> str:
    async with services.database.read() as db:
        found = text("select state from content.uploads where id = :id")
        return str((await db.execute(found, {"id": upload_id})).scalar_one())


@pytest.mark.row("C-08")
@pytest.mark.row("L-08")
@pytest.mark.row("L-21")
async def test_a_film_is_encoded_and_its_owner_sees_it_move(
    services: Services,
    owner: Viewer,
    film: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    upload_id = await brought(services, owner, film, "video/mp4")
    assert (await services.queue.depths())["films"].waiting == 1
    screens = Screens()
    await encode_upload(services.with_publisher(screens), media.Encode(upload_id))

    done = await state_of(services, owner, upload_id)
    assert (done.state, done.progress, done.attempt, done.error) == ("ready", 1.0, None, None)
    assert done.result is not None
    assert [each.name for each in done.result.sizes] == [120]
    for each in done.result.sizes:
        assert await services.storage.exists(each.key)
        assert await services.storage.exists(each.parts_key)
        assert each.playlist in done.result.playlists
    assert await services.storage.exists(str(done.result.poster_key))
    assert await upload_state(services, upload_id) == "checked"
    assert {(topic, event) for topic, event, _ in screens.told} == {(f"user:{owner.id}", "media")}
    assert all(push.state == "working" for _, _, push in screens.told)
    assert not any(temporary.iterdir())


async def test_the_same_bytes_are_never_encoded_twice(
    services: Services, owner: Viewer, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await brought(services, owner, film, "video/mp4")
    await encode_upload(services, media.Encode(first))

    async def nothing(*_: object) -> None:
        raise AssertionError("It was encoded again.")

    monkeypatch.setattr(encode_job, "_stored", nothing)
    second = await brought(services, owner, film, "video/mp4")
    await encode_upload(services, media.Encode(second))
    done = await state_of(services, owner, second)
    assert done.state == "ready"
    assert done.result == (await state_of(services, owner, first)).result


async def test_a_file_that_is_no_film_is_refused_with_the_reason(
    services: Services, owner: Viewer, tmp_path: Path
) -> None:
    hostile = tmp_path / "x.mp4"
    hostile.write_text("ffconcat version 1.0\nfile /etc/passwd\n")
    upload_id = await brought(services, owner, hostile, "video/mp4")
    await encode_upload(services, media.Encode(upload_id))
    done = await state_of(services, owner, upload_id)
    assert done.state == "refused"
    assert done.error == "This is no film and no sound of a kind that we know."
    assert await upload_state(services, upload_id) == "refused"
    async with services.write() as db:
        with pytest.raises(encoding.NotNow):
            await encoding.again(db, owner, upload_id, now=services.clock.now())


async def test_a_killed_encoding_is_tried_again_and_leaves_nothing(
    services: Services,
    owner: Viewer,
    film: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    upload_id = await brought(services, owner, film, "video/mp4")
    hear = encode_job._Word.hear

    async def kill(word: Any, done: float) -> None:
        await hear(word, done)
        for child in _children():
            os.kill(child, signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(encode_job._Word, "hear", kill)
        with pytest.raises(NotEncoded, match="-9"):
            await encode_upload(services, media.Encode(upload_id))
    assert not any(temporary.iterdir())
    failed = await state_of(services, owner, upload_id)
    assert (failed.state, failed.attempts) == ("waiting", 1)
    await encode_upload(services, media.Encode(upload_id))
    assert (await state_of(services, owner, upload_id)).state == "ready"


async def test_what_a_killed_worker_was_at_is_taken_up_within_ninety_seconds(
    services: Services, owner: Viewer, film: Path
) -> None:
    upload_id = await brought(services, owner, film, "video/mp4")
    now = services.clock.now()
    async with services.write() as db:
        dead = await encoding.take(db, now=now)
    assert dead is not None
    async with services.write() as db:
        assert await encoding.take(db, now=now + QUIET / 2) is None
    sweep = next(each.seconds for each in schedule.SWEEPS if each.name == "encode_films")
    later = now + QUIET + timedelta(seconds=sweep)
    assert later - now <= timedelta(seconds=90)
    await services.redis.flushall()
    await schedule.encode_films(_at(services, later))
    assert (await services.queue.depths())["films"].waiting == 1
    async with services.write() as db:
        heir = await encoding.take(db, now=later)
        assert heir is not None
        assert (heir.id, heir.number) == (upload_id, 2)
        # The late words of the dead are not heard.
        assert not await encoding.note(db, dead, 0.9, None, now=later)
        assert not await encoding.refused(db, dead, "late", now=later)


async def test_what_kills_its_workers_is_given_up(
    services: Services, owner: Viewer, film: Path
) -> None:
    upload_id = await brought(services, owner, film, "video/mp4")
    now, numbers = services.clock.now(), []
    for attempt in range(MOST_TRIES + 2):
        async with services.write() as db:
            taken = await encoding.take(db, now=now + 2 * attempt * QUIET)
            numbers.append(taken and taken.number)
    assert numbers == [1, 2, 3, None, None]
    assert (await state_of(services, owner, upload_id)).state == "failed"
    async with services.write() as db:
        await encoding.again(db, owner, upload_id, now=now)
    assert (await state_of(services, owner, upload_id)).state == "waiting"


async def test_the_shortest_goes_first_and_what_waits_grows_shorter(
    services: Services, owner: Viewer
) -> None:
    now = services.clock.now()
    ids = {name: new_id() for name in ("film", "clip", "old film")}
    hour = 3600 * 500_000
    for name, size, ago in (("film", hour, 0), ("clip", 5_000_000, 0), ("old film", hour, 1)):
        waited = timedelta(seconds=ago * 3700 / AGEING)
        async with services.write() as db:
            await encoding.ask(
                db, ids[name], owner.id, key="uploads/a.mp4", size=size, now=now - waited
            )
    order = []
    for _ in ids:
        async with services.write() as db:
            taken = await encoding.take(db, now=now)
        assert taken is not None
        order.append(next(name for name, each in ids.items() if each == taken.id))
    assert order == ["old film", "clip", "film"]


async def test_a_worker_that_is_at_a_long_film_takes_only_short_ones(
    services: Services, owner: Viewer
) -> None:
    now = services.clock.now()
    async with services.write() as db:
        size = 3600 * 500_000
        await encoding.ask(db, new_id(), owner.id, key="uploads/a.mp4", size=size, now=now)
        assert await encoding.take(db, now=now, at_most_sec=media.LONG_SECONDS) is None
        assert await encoding.take(db, now=now) is not None


async def test_an_owner_can_cancel_what_is_under_way(
    services: Services, owner: Viewer, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = await brought(services, owner, film, "video/mp4")
    begun = asyncio.Event()

    async def stuck(*_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(encode_job, "_stored", stuck)
    running = asyncio.create_task(encode_upload(services, media.Encode(upload_id)))
    await begun.wait()
    async with services.write() as db:
        await encoding.cancel(db, owner, upload_id, now=services.clock.now())
    await running
    assert (await state_of(services, owner, upload_id)).state == "cancelled"
    async with services.write() as db:
        stranger = await a_user(db, "stranger")
        with pytest.raises(Exception, match="no such encoding"):
            await encoding.again(db, stranger, upload_id, now=services.clock.now())


def _at(services: Services, moment: Any) -> Services:

    return replace(services, clock=FixedClock(moment))


def _children() -> list[int]:
    """The encoding processes that this one started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == os.getpid() and b"jobs.media.child" in words:
            found.append(int(folder.name))
    return found
