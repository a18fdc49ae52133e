"""Cards on real stores: from a new item to a poster to a film, once, and after every mishap."""

import asyncio
import os
import signal
import tempfile
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from PIL import Image
from sqlalchemy import text

from jobs.cards import render_job
from jobs.cards.film import probe
from jobs.cards.poster_job import draw_posters
from jobs.cards.render_job import render_card
from jobs.cards.studio import NotRendered
from server import items, media, sources
from server.items.events import ItemsEdited, ItemsPublished
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.media import reactions
from server.media.events import CardChanged
from server.media.model import SILENCE

pytestmark = pytest.mark.anyio
ADMIN = Viewer(UUID(int=1), "admin")
BODY = "The beds were sown in March. Then came the rain, for nine days. Nobody measured it."


async def published(services: Services, *titles: str | None, **more: Any) -> list[UUID]:
    """Take in an item for each title, and let media react to it."""
    now = datetime.now(UTC)
    async with services.write() as db:
        source = await sources.add(
            db, ADMIN, sources.NewSource(url=f"https://{uuid4()}.example/feed"), now
        )
        entries = []
        for title in titles:
            name = uuid4().bytes * 2
            values = {"kind": "ARTICLE", "body_text": BODY, "category": "Science", **more}
            entries.append(
                items.Entry(
                    digest=name, content_digest=name, title=title, published_at=now, **values
                )
            )
        stored = await items.take_in(db, source.id, entries, now)
    ids = list(stored.new)
    async with services.write() as db:
        await reactions.on_published(services, db, ItemsPublished(ids))
    return ids


async def card_of(services: Services, item_id: UUID) -> media.Card:
    async with services.database.read() as db:
        return (await media.cards(db, [item_id]))[item_id]


async def told(services: Services) -> list[str]:
    """What was told of cards so far, in order."""
    async with services.database.read() as db:
        rows = await db.execute(
            text("select payload->>'state' from ops.outbox where topic = :topic order by id"),
            {"topic": CardChanged.topic},
        )
        return list(rows.scalars())


async def test_a_new_item_waits_for_its_poster_and_the_job_is_queued(services: Services) -> None:
    (item_id,) = await published(services, "Rain")
    assert (await card_of(services, item_id)).state == "waiting"
    assert (await services.queue.depths())["embed"].waiting == 1


async def test_the_same_event_twice_makes_no_second_card(services: Services) -> None:
    ids = await published(services, "Rain")
    async with services.write() as db:
        await reactions.on_published(services, db, ItemsPublished(ids))
    async with services.database.read() as db:
        rows = await db.execute(text("select count(*) from content.media"))
        assert rows.scalar_one() == 1


async def test_comments_have_no_card(services: Services) -> None:
    (item_id,) = await published(services, None, kind="COMMENT")
    async with services.database.read() as db:
        assert await media.cards(db, [item_id]) == {}


async def test_a_poster_is_drawn_once(services: Services) -> None:
    (item_id,) = await published(services, "Rain")
    await draw_posters(services, media.Posters([item_id]))
    card = await card_of(services, item_id)
    assert card.state == "poster"
    assert card.poster_key is not None
    jpeg = await services.storage.get(card.poster_key)
    assert len(jpeg) <= 80_000
    assert Image.open(BytesIO(jpeg)).size == (720, 1280)
    assert card.picture_key is not None
    assert await services.storage.exists(card.picture_key)
    await draw_posters(services, media.Posters([item_id]))
    assert await told(services) == ["poster"]


async def test_a_film_is_rendered_and_stored(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    (item_id,) = await published(services, "Rain")
    await draw_posters(services, media.Posters([item_id]))
    await render_card(services, media.Rendering(item_id))
    card = await card_of(services, item_id)
    assert card.state == "ready"
    assert card.video_key is not None
    assert card.duration_sec is not None
    assert 6 <= card.duration_sec <= 8
    path = tmp_path / "film.mp4"
    path.write_bytes(await services.storage.get(card.video_key))
    film = probe(path)
    assert (film.width, film.height) == (720, 1280)
    assert film.bytes < 1_500_000
    assert await told(services) == ["poster", "ready"]
    # Nothing is left behind, and asked again nothing is done.
    assert not any(temporary.iterdir())
    await render_card(services, media.Rendering(item_id))
    assert await told(services) == ["poster", "ready"]


async def test_a_film_waits_for_the_poster(services: Services) -> None:
    (item_id,) = await published(services, "Rain")
    await render_card(services, media.Rendering(item_id))
    assert (await card_of(services, item_id)).state == "waiting"


async def test_a_poster_queues_the_film(services: Services) -> None:
    (item_id,) = await published(services, "Rain")
    async with services.write() as db:
        await reactions.on_card(services, db, CardChanged(item_id=item_id, state="poster"))
    assert (await services.queue.depths())["cards"].waiting == 1


async def test_a_video_plays_from_where_it_is(services: Services) -> None:
    (item_id,) = await published(
        services, "Film", kind="VIDEO", video_url="https://films.example/a.mp4"
    )
    await draw_posters(services, media.Posters([item_id]))
    card = await card_of(services, item_id)
    assert (card.state, card.video_key) == ("ready", None)
    assert card.poster_key is not None


async def test_an_edited_item_is_drawn_anew(services: Services) -> None:
    (item_id,) = await published(services, "Rain")
    await draw_posters(services, media.Posters([item_id]))
    before = await card_of(services, item_id)
    async with services.write() as db:
        await db.execute(text("update content.items set title = 'Sun'"))
        await reactions.on_edited(services, db, ItemsEdited([item_id]))
    await draw_posters(services, media.Posters([item_id]))
    after = await card_of(services, item_id)
    assert after.state == "poster"
    assert after.poster_key != before.poster_key


async def test_an_edit_that_is_not_seen_keeps_the_film(services: Services) -> None:
    (item_id,) = await published(services, "Rain")
    await draw_posters(services, media.Posters([item_id]))
    await render_card(services, media.Rendering(item_id))
    before = await card_of(services, item_id)
    async with services.write() as db:
        await reactions.on_edited(services, db, ItemsEdited([item_id]))
    await draw_posters(services, media.Posters([item_id]))
    assert await card_of(services, item_id) == before


async def test_a_retracted_item_is_not_drawn(services: Services) -> None:
    (item_id,) = await published(services, "Rain")
    async with services.write() as db:
        await items.retract(db, ADMIN, [item_id])
    await draw_posters(services, media.Posters([item_id]))
    assert (await card_of(services, item_id)).state == "failed"


async def test_two_attempts_at_once_are_one(services: Services) -> None:
    (item_id,) = await published(services, "Rain")
    await draw_posters(services, media.Posters([item_id]))
    now = services.clock.now()
    async with services.write() as db:
        assert await media.begin_rendering(db, item_id, now=now) is not None
    async with services.write() as db:
        assert await media.begin_rendering(db, item_id, now=now) is None


async def test_the_late_answer_of_a_dead_attempt_is_refused(services: Services) -> None:
    (item_id,) = await published(services, "Rain")
    await draw_posters(services, media.Posters([item_id]))
    now = services.clock.now()
    async with services.write() as db:
        first = await media.begin_rendering(db, item_id, now=now)
    async with services.write() as db:
        second = await media.begin_rendering(db, item_id, now=now + 2 * SILENCE)
    assert first is not None
    assert second is not None
    video = media.Video(
        key="a.mp4", mime="video/mp4", width=720, height=1280, bytes=1, duration_sec=6.0
    )
    async with services.write() as db:
        assert not await media.note_progress(db, first, 0.5)
        assert not await media.film_made(db, first, video)
        assert not await media.film_failed(db, first, "late")
        assert await media.film_made(db, second, video)
    assert (await card_of(services, item_id)).video_key == "a.mp4"


async def test_after_three_failures_a_card_stays_without_a_film(services: Services) -> None:
    (item_id,) = await published(services, "Rain")
    await draw_posters(services, media.Posters([item_id]))
    states = []
    for _ in range(3):
        async with services.write() as db:
            attempt = await media.begin_rendering(db, item_id, now=services.clock.now())
            assert attempt is not None
            await media.film_failed(db, attempt, "no")
        states.append((await card_of(services, item_id)).state)
    assert states == ["poster", "poster", "failed"]
    assert await told(services) == ["poster", "failed"]


async def test_a_card_that_kills_its_workers_is_given_up_after_three(services: Services) -> None:
    (item_id,) = await published(services, "Rain")
    await draw_posters(services, media.Posters([item_id]))
    numbers, now = [], services.clock.now()
    for attempt in range(5):
        async with services.write() as db:
            begun = await media.begin_rendering(db, item_id, now=now + 2 * attempt * SILENCE)
            numbers.append(begun and begun.number)
    assert numbers == [1, 2, 3, None, None]
    assert (await card_of(services, item_id)).state == "failed"
    assert await told(services) == ["poster", "failed"]
    async with services.database.read() as db:
        late = await media.waiting(db, now=now + timedelta(days=1), limit=10)
    assert late.renderings == []


async def test_a_killed_rendering_is_a_failure_that_may_be_tried_again(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    (item_id,) = await published(services, "Rain")
    await draw_posters(services, media.Posters([item_id]))
    say = render_job._Word.say

    async def kill_at_first_word(word: Any, done: float) -> None:
        await say(word, done)
        for child in _children(os.getpid()):
            os.kill(child, signal.SIGKILL)

    monkeypatch.setattr(render_job._Word, "say", kill_at_first_word)
    with pytest.raises(NotRendered, match="-9"):
        await render_card(services, media.Rendering(item_id))
    assert (await card_of(services, item_id)).state == "poster"
    monkeypatch.undo()
    await render_card(services, media.Rendering(item_id))
    assert (await card_of(services, item_id)).state == "ready"


async def test_a_cancelled_rendering_leaves_no_process(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    (item_id,) = await published(services, "Rain")
    await draw_posters(services, media.Posters([item_id]))
    started = asyncio.Event()

    async def stay(_word: Any, _done: float) -> None:
        started.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(render_job._Word, "say", stay)
    task = asyncio.create_task(render_card(services, media.Rendering(item_id)))
    await started.wait()
    children = _children(os.getpid())
    assert children
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not set(children) & set(_children(os.getpid()))


async def test_the_film_of_what_was_published_last_is_rendered_first(services: Services) -> None:
    ids = sorted(await published(services, "Rain", "Sun", "Wind"))
    # They came in one order and were published in the other.
    async with services.write() as db:
        for age, item_id in enumerate(ids):
            moment = services.clock.now() - timedelta(hours=age + 1)
            edit = text("update content.items set published_at = :moment where id = :id")
            await db.execute(edit, {"moment": moment, "id": item_id})
    async with services.database.read() as db:
        assert await media.wanting_posters(db, ids) == ids
    await draw_posters(services, media.Posters(ids))
    async with services.database.read() as db:
        found = await media.waiting(db, now=services.clock.now(), limit=10)
    assert [args.item_id for _, args in found.renderings] == ids

    # The job is that of the oldest, which was in the queue before the others.
    await render_card(services, media.Rendering(ids[2]))

    assert [(await card_of(services, each)).state for each in ids] == ["ready", "poster", "poster"]
    # What somebody holds is passed over, and what failed once waits for a job of its own.
    async with services.write() as db, services.write() as other:
        assert await media.next_to_render(db) == ids[1]
        assert await media.next_to_render(other) == ids[2]
    async with services.write() as db:
        attempt = await media.begin_rendering(db, ids[1], now=services.clock.now())
        assert attempt is not None
        await media.film_failed(db, attempt, "no")
        assert await media.next_to_render(db) == ids[2]


async def test_posters_of_one_batch_are_drawn_in_the_order_of_publication(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media.actions, "BATCH", 1)
    queued: list[UUID] = []

    async def note(_task: object, jobs: list[tuple[str, media.Posters]]) -> int:
        queued.extend(args.ids[0] for _, args in jobs)
        return len(jobs)

    ids = sorted(await published(services, "Rain", "Sun"))
    async with services.write() as db:
        await db.execute(text("delete from content.media"))
        edit = text(
            "update content.items set published_at = published_at - interval '1 day' where id = :id"
        )
        await db.execute(edit, {"id": ids[1]})
        monkeypatch.setattr(services.queue, "enqueue_many", note)
        await reactions.on_published(services, db, ItemsPublished(ids))
    assert queued == ids


async def test_the_sweep_finds_again_what_was_lost(services: Services) -> None:
    one, two, three = sorted(await published(services, "Rain", "Sun", "Wind"))
    await draw_posters(services, media.Posters([two, three]))
    now = services.clock.now()
    async with services.write() as db:
        await media.begin_rendering(db, three, now=now)
        found = await media.waiting(db, now=now, limit=10)
    # What waits for a moment only is in its queue, and what is being rendered is in good hands.
    assert found.posters == []
    assert [args.item_id for _, args in found.renderings] == [two]
    async with services.database.read() as db:
        later = await media.waiting(db, now=now + SILENCE + timedelta(seconds=5), limit=10)
    assert [args.ids for _, args in later.posters] == [[one]]
    assert [args.item_id for _, args in later.renderings] == [three, two]


def _children(pid: int) -> list[int]:
    """The processes that this one started and that render cards."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_text()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z" and "jobs.cards.child" in command:
            found.append(int(folder.name))
    return found
