"""Hostile documents end the process that reads them, and nothing else."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO

import pytest
from PIL import Image

from jobs.ingest import readers
from jobs.ingest.parse import Given
from jobs.ingest.readers import Readers
from jobs.ingest.reading import Drawn, Read, ReadDocument, ReadPicture, Refused
from tests.pages import item, rss

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def pool() -> Iterator[Readers]:
    opened = Readers(processes=1)
    yield opened
    opened.close()


def document(content: bytes) -> ReadDocument:
    return ReadDocument(content, Given(url="https://paper.example/feed"), NOW)


async def test_a_document_is_read_elsewhere(pool: Readers) -> None:
    read = await pool.carry_out(document(rss(item("a"), item("b"))))

    assert isinstance(read, Read)
    assert [each.title for each in read.feed.entries] == ["a", "b"]


async def test_what_is_no_feed_is_refused_and_the_process_goes_on(pool: Readers) -> None:
    refused = await pool.carry_out(document(b"nothing"))
    read = await pool.carry_out(document(rss(item("a"))))

    assert refused == Refused("It is not a feed.")
    assert isinstance(read, Read)


async def test_a_document_that_takes_too_much_of_a_processor_is_refused() -> None:
    # Broken early, so that it is read leniently, which takes the square of its length.
    hostile = b"<rss><channel><item><title>" + b"<a " * 1_600_000
    pool = Readers(processes=1, cpu_seconds=2)
    try:
        refused = await pool.carry_out(document(hostile))
        read = await pool.carry_out(document(rss(item("a"))))
    finally:
        pool.close()

    assert refused == Refused("Reading it takes more than 2 s of a processor.")
    assert isinstance(read, Read)


async def test_a_reader_that_was_killed_is_followed_by_another(pool: Readers) -> None:
    await pool.carry_out(document(rss(item("a"))))
    running = pool._free.queue[0]._process
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    running.wait()

    assert isinstance(await pool.carry_out(document(rss(item("a")))), Read)


async def test_one_that_never_answers_is_not_waited_for() -> None:
    pool = Readers(processes=1, wall_seconds=0.01)
    try:
        refused = await pool.carry_out(document(rss(item("a"))))
    finally:
        pool.close()

    assert isinstance(refused, Refused)
    assert "takes more than" in refused.reason


def test_how_it_ended_is_told() -> None:
    assert "more than 12 s" in readers._why(-signal.SIGXCPU, 12)
    assert "with -9" in readers._why(-signal.SIGKILL, 12)


def picture(size: tuple[int, int], *, orientation: int | None = None, kind: str = "JPEG") -> bytes:
    image = Image.new("RGB", size, "teal")
    exif = image.getexif()
    if orientation:
        exif[0x0112] = orientation
        exif[0x010E] = "taken at home"
    out = BytesIO()
    image.save(out, kind, exif=exif)
    return out.getvalue()


async def test_a_picture_is_made_ours_upright_smaller_and_silent(pool: Readers) -> None:
    drawn = await pool.carry_out(ReadPicture(picture((4000, 2000), orientation=6)))

    assert isinstance(drawn, Drawn)
    assert (drawn.width, drawn.height) == (800, 1600)
    with Image.open(BytesIO(drawn.content)) as kept:
        assert kept.format == "JPEG"
        assert kept.size == (800, 1600)
        assert not dict(kept.getexif())
    assert b"taken at home" not in drawn.content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
        picture((300, 300))[:200],
        picture((1, 1), kind="PNG"),
        picture((300, 300), kind="BMP"),
    ],
)
async def test_what_is_no_picture_to_be_shown_is_refused(pool: Readers, content: bytes) -> None:
    assert isinstance(await pool.carry_out(ReadPicture(content)), Refused)


async def test_a_picture_with_more_pixels_than_any_screen_is_refused(pool: Readers) -> None:
    huge = await pool.carry_out(ReadPicture(picture((9000, 9000), kind="PNG")))

    assert isinstance(huge, Refused)
