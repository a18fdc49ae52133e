"""Pictures of every kind, whole and broken: what comes out is a picture, or a sentence."""

import contextlib
import tempfile
from io import BytesIO
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from jobs.pictures.develop import NotAPicture, develop
from jobs.pictures.order import Developed
from tests.pictures import MIMES, picture

SUFFIXES = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "GIF": ".gif",
    "AVIF": ".avif",
    "HEIF": ".heic",
}
WHOLE = {kind: picture(kind, size=(80, 60)) for kind in SUFFIXES}
MOVING = {kind: picture(kind, size=(81, 61), frames=6) for kind in ("GIF", "PNG", "WEBP")}


def developed(folder: Path, content: bytes, suffix: str) -> Developed:
    path = folder / f"original{suffix}"
    path.write_bytes(content)
    return develop(path, suffix, lambda _done: None)


@pytest.mark.parametrize("kind", MIMES)
def test_every_kind_is_made_small_and_says_nothing_else(tmp_path: Path, kind: str) -> None:
    made = developed(tmp_path, picture(kind, size=(1500, 900)), SUFFIXES[kind])
    assert (made.width, made.height) == (1500, 900)
    assert [each.width for each in made.sizes] == [320, 640, 1280]
    for each in (made.plain, *made.sizes):
        with Image.open(tmp_path / each.name) as shown:
            assert shown.size == (each.width, each.height)
            assert not {"exif", "icc_profile", "comment", "xmp", "photoshop"} & set(shown.info)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(tmp_path: Path, orientation: int) -> None:
    content = picture("JPEG", size=(300, 200), orientation=orientation)
    made = developed(tmp_path, content, ".jpg")
    assert (made.width, made.height) == ((300, 200) if orientation < 5 else (200, 300))
    corners = {
        1: (0, 0),
        2: (1, 0),
        3: (1, 1),
        4: (0, 1),
        5: (0, 0),
        6: (1, 0),
        7: (1, 1),
        8: (0, 1),
    }
    right, low = corners[orientation]
    with Image.open(tmp_path / made.plain.name) as shown:
        x, y = right * (shown.width - 1), low * (shown.height - 1)
        red, _, blue = shown.convert("RGB").getpixel((x, y))  # type: ignore[misc]
    assert red > 200
    assert blue < 60


@pytest.mark.parametrize("kind", MOVING)
def test_what_moves_becomes_a_film(tmp_path: Path, kind: str) -> None:
    made = developed(tmp_path, MOVING[kind], SUFFIXES[kind])
    assert made.film is not None
    assert made.duration_sec == pytest.approx(0.3)
    with av.open(str(tmp_path / made.film.name)) as film:
        frames = [frame.pts for frame in film.decode(video=0)]
        assert (film.streams.video[0].width, film.streams.video[0].height) == (80, 60)
    assert len(frames) == 7
    assert frames == sorted(set(frames))


def test_a_comment_is_not_passed_on(tmp_path: Path) -> None:
    file = BytesIO()
    Image.new("RGB", (40, 30)).save(file, "JPEG", comment=b"at home, 12 Main Street")
    made = developed(tmp_path, file.getvalue(), ".jpg")
    for each in (made.plain, *made.sizes):
        assert b"Main Street" not in (tmp_path / each.name).read_bytes()


@pytest.mark.parametrize(
    ("size", "says"),
    [((9000, 8000), "million pixels"), ((40_000, 1), "no side"), ((161, 1), "too narrow")],
)
def test_absurd_sizes_are_refused_before_they_are_read(
    tmp_path: Path, size: tuple[int, int], says: str
) -> None:
    file = BytesIO()
    Image.new("1", size).save(file, "PNG")
    with pytest.raises(NotAPicture, match=says):
        developed(tmp_path, file.getvalue(), ".png")


@pytest.mark.parametrize("kind", MIMES)
def test_another_type_than_it_says_is_refused(tmp_path: Path, kind: str) -> None:
    for suffix in set(SUFFIXES.values()) - {SUFFIXES[kind]}:
        with pytest.raises(NotAPicture):
            developed(tmp_path, WHOLE[kind], suffix)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_broken_files_come_to_a_picture_or_to_a_sentence(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(SUFFIXES)))
    content = bytearray(data.draw(st.sampled_from([WHOLE[kind], MOVING.get(kind, WHOLE[kind])])))
    for at in data.draw(st.lists(st.integers(0, len(content) * 8 - 1), max_size=12)):
        content[at // 8] ^= 1 << at % 8
    end = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(NotAPicture):
        assert developed(Path(folder), bytes(content[:end]), SUFFIXES[kind]).sizes
