"""What is made of films and sounds, seen as a player sees it."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from jobs.cards.boxes import starts_at_once
from jobs.media.encode import encode
from jobs.media.model import Bounds, Encoded
from jobs.media.probe import probe
from tests import films

BOUNDS = Bounds()
WORDS = (
    "1\n00:00:00,100 --> 00:00:00,600\nHello <b>there</b> & you\n\n"
    "2\n00:00:00,700 --> 00:00:00,900\nBye\n"
)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def made(source: Path, out: Path) -> Encoded:
    heard: list[float] = []
    encoded = encode(source, out, BOUNDS, heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    assert set(encoded.files) == {each.name for each in out.iterdir()}
    return encoded


def seen(path: Path) -> dict[str, Any]:
    """Read a finished film as a player would."""
    with av.open(str(path), format="mov") as container:
        video = container.streams.video[0]
        frames = list(container.decode(video))
        context = video.codec_context
        colours = (int(context.colorspace), int(context.color_primaries), int(context.color_trc))
        return {
            "size": (video.width, video.height),
            "form": (context.name, context.pix_fmt, context.profile, *colours),
            "level": context.level,
            "keys": [round(frame.time, 3) for frame in frames if frame.key_frame],
            "gaps": {round(b.time - a.time, 3) for a, b in pairwise(frames)},
            "rotations": {frame.rotation for frame in frames},
            "sound": [each.codec_context.name for each in container.streams.audio],
            "seconds": float(video.duration * video.time_base),
            "first": frames[0].to_ndarray(format="rgb24"),
        }


def check_all(encoded: Encoded, out: Path, *, seconds: float, rate: float) -> list[dict[str, Any]]:
    """Check what holds of every film that is encoded."""
    films_seen = [seen(out / each.film) for each in encoded.renditions]
    for each, film in zip(encoded.renditions, films_seen, strict=True):
        assert film["size"] == (each.width, each.height)
        assert film["form"] == ("h264", "yuv420p", "High", 1, 1, 1)
        assert 0 < film["level"] <= 42
        assert film["rotations"] == {0}
        assert film["gaps"] <= {round(1 / rate, 3)}
        assert abs(film["seconds"] - seconds) <= 1.5 / rate
        assert starts_at_once(out / each.film)
        check_playlist(out, each.playlist, each.parts, film["seconds"])
    assert len({tuple(film["keys"]) for film in films_seen}) == 1
    return films_seen


def check_playlist(out: Path, playlist: str, parts: str, seconds: float) -> None:
    """Check that a playlist names bytes that are there, in order, and that they are the film."""
    lines = (out / playlist).read_text().splitlines()
    assert lines[0] == "#EXTM3U"
    assert lines[-1] == "#EXT-X-ENDLIST"
    at = 0
    lasts = 0.0
    for line in lines:
        if line.startswith("#EXT-X-MAP:"):
            at = int(line.split('BYTERANGE="')[1].split("@")[0])
        if line.startswith("#EXTINF:"):
            lasts += float(line[8:-1])
        if line.startswith("#EXT-X-BYTERANGE:"):
            size, begin = map(int, line.split(":")[1].split("@"))
            assert begin == at
            at += size
    assert at <= (out / parts).stat().st_size
    assert abs(lasts - seconds) < 0.11
    assert {line for line in lines if not line.startswith("#")} == {parts}
    with av.open(str(out / parts), format="mov") as container:
        assert sum(1 for _ in container.decode(video=0)) > 0


def test_a_portrait_film_becomes_a_ladder(tmp_path: Path, out: Path) -> None:
    source = films.film(
        tmp_path / "in.mp4", size=(720, 1290), seconds=2.5, rate=12, pixels="yuv422p"
    )
    encoded = made(source, out)
    assert [each.name for each in encoded.renditions] == [240, 480, 720]
    rows = check_all(encoded, out, seconds=2.5, rate=12)
    assert rows[0]["keys"] == [0.0, 2.0]
    assert rows[0]["sound"] == ["aac"]
    master = (out / "master.m3u8").read_text()
    assert [line for line in master.splitlines() if line.endswith(".m3u8")] == [
        "240.m3u8",
        "480.m3u8",
        "720.m3u8",
    ]
    assert "RESOLUTION=720x1290" in master
    assert all(each.codecs.startswith("avc1.6400") for each in encoded.renditions)


def test_a_film_that_is_good_keeps_its_picture(tmp_path: Path, out: Path) -> None:
    source = films.film(tmp_path / "in.mp4", size=(320, 240), seconds=2)
    encoded = made(source, out)
    assert encoded.kept_picture
    with av.open(str(source)) as before, av.open(str(out / "240.mp4")) as after:
        kept = [bytes(p) for p in before.demux(video=0) if p.size]
        assert [bytes(p) for p in after.demux(video=0) if p.size] == kept
    assert starts_at_once(out / "240.mp4")


def test_a_film_from_a_telephone_is_turned(tmp_path: Path, out: Path) -> None:
    source = films.turned(films.film(tmp_path / "in.mp4", size=(320, 240)))
    (row,) = check_all(made(source, out), out, seconds=1, rate=10)
    assert row["size"] == (240, 320)
    picture = row["first"]
    # The light square was in the upper left; a quarter turn clockwise puts it in the upper right.
    assert picture[20, -20].min() > 180
    assert picture[20, 20].max() < 140
    poster = np.asarray(Image.open(out / "poster.jpg"))
    assert poster.shape[:2] == (320, 240)
    assert poster[20, -20].min() > 180


@pytest.mark.parametrize(
    "odd",
    [
        {"pixels": "yuv444p"},
        {"pixels": "yuv422p"},
        {"pixels": "yuv420p10le"},
        {"pixels": "yuv420p10le", "colours": (9, 9, 16)},
        {"codec": "libvpx", "form": "webm", "sound": "libopus"},
        {"codec": "libvpx-vp9", "form": "webm", "sound": "libopus"},
        {"codec": "mpeg4", "form": "matroska", "sound": "libmp3lame"},
        {"codec": "libx265", "sound": None},
        {"size": (161, 121), "pixels": "yuv444p"},
        {"codec": "mjpeg", "pixels": "yuvj420p", "form": "mov", "sound": "pcm_s16le"},
    ],
)
def test_odd_films_become_ordinary(odd: dict[str, Any], tmp_path: Path, out: Path) -> None:
    encoded = made(films.film(tmp_path / "in.any", **odd), out)
    (row,) = check_all(encoded, out, seconds=1, rate=10)
    light = row["first"][10, 10].astype(int)
    assert light.min() > (120 if odd.get("colours") else 200)
    assert light.max() - light.min() < 40
    assert row["sound"] == ([] if "sound" in odd and odd["sound"] is None else ["aac"])


def test_frames_that_come_unevenly_go_evenly(tmp_path: Path, out: Path) -> None:
    source = films.film(tmp_path / "in.mp4", times=[0, 1, 2, 5, 6, 13, 14, 15], seconds=1.6)
    assert probe(source, BOUNDS).picture.even is False
    (row,) = check_all(made(source, out), out, seconds=1.6, rate=10)
    assert row["keys"] == [0.0]


def test_sounds_become_equally_loud(tmp_path: Path) -> None:
    measured = []
    for loud in (0.02, 0.1, 0.5):
        folder = tmp_path / str(loud)
        folder.mkdir()
        encoded = made(films.recording(tmp_path / "in.m4a", loud=loud, seconds=2), folder)
        assert encoded.kind == "audio"
        sound = probe(folder / encoded.sound, BOUNDS).sound
        assert sound is not None
        assert (sound.codec, sound.sample_rate, sound.channels) == ("aac", 48_000, 2)
        assert starts_at_once(folder / encoded.sound)
        measured.append(sound.loudness)
    assert max(measured) - min(measured) < 1
    assert abs(measured[0] + 16) < 1


@pytest.mark.parametrize(
    ("form", "codec"),
    [
        ("mp3", "libmp3lame"),
        ("ogg", "libopus"),
        ("wav", "pcm_s16le"),
        ("flac", "flac"),
        ("adts", "aac"),
        ("aiff", "pcm_s16be"),
    ],
)
def test_a_sound_gets_its_waveform(form: str, codec: str, tmp_path: Path, out: Path) -> None:
    encoded = made(films.recording(tmp_path / "in", form=form, codec=codec, loud=0.5), out)
    drawn = json.loads((out / encoded.waveform).read_text())
    assert drawn["version"] == 1
    assert abs(drawn["seconds"] - 1) < 0.1
    assert len(drawn["peaks"]) >= 19
    assert 100 < max(drawn["peaks"]) < 150


def test_captions_become_webvtt(tmp_path: Path, out: Path) -> None:
    source = films.captioned(tmp_path / "in.mkv", films.film(tmp_path / "plain.mp4"), WORDS)
    encoded = made(source, out)
    (spoken,) = encoded.captions
    assert spoken.language == "und"
    assert (out / spoken.name).read_text() == (
        "WEBVTT\n\n00:00:00.100 --> 00:00:00.600\nHello there &amp; you\n\n"
        "00:00:00.700 --> 00:00:00.900\nBye\n"
    )


def test_the_storyboard_covers_the_film(tmp_path: Path, out: Path) -> None:
    encoded = made(films.film(tmp_path / "in.mp4", seconds=5, options={"g": "10"}), out)
    index = (out / encoded.storyboard_index).read_text()
    assert index.startswith("WEBVTT\n\n00:00:00.000 --> ")
    assert index.count("storyboard.jpg#xywh=") == 3
    assert np.asarray(Image.open(out / encoded.storyboard)).shape == (120, 480, 3)


def test_nothing_that_tells_where_or_by_what_stays(tmp_path: Path, out: Path) -> None:
    source = tmp_path / "in.mp4"
    films.film(source, size=(320, 240))
    marked = tmp_path / "marked.mp4"
    with av.open(str(source)) as before, av.open(str(marked), "w", format="mp4") as after:
        after.metadata.update({"location": "+48.1-11.5/", "comment": "SECRETPLACE"})
        known = {each: after.add_stream_from_template(each) for each in before.streams}
        for packet in before.demux():
            if packet.dts is not None:
                packet.stream = known[packet.stream]
                after.mux(packet)
    assert b"SECRETPLACE" in marked.read_bytes()
    encoded = made(marked, out)
    assert encoded.kept_picture
    for each in out.iterdir():
        assert b"SECRETPLACE" not in each.read_bytes()
        assert b"+48.1" not in each.read_bytes()
