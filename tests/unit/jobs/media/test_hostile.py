"""Files that want something else than to be played: each is one refusal with a reason."""

import asyncio
import random
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.media import studio
from jobs.media.encode import encode
from jobs.media.model import Bounds, Refused
from jobs.media.opening import sniffed
from jobs.media.probe import probe
from jobs.media.studio import NotOurs, encoded
from tests import films

pytestmark = pytest.mark.anyio
CONCAT = "ffconcat version 1.0\nfile other.mp4\n"
PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{}\n#EXT-X-ENDLIST\n"
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"


@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".mkv", ".sdp", ".mp3"])
@pytest.mark.parametrize(
    "words",
    [
        CONCAT,
        PLAYLIST.format("file:///etc/passwd"),
        SDP,
        "<?xml version='1.0'?><MPD/>",
        "",
        "\0",
        "hello",
    ],
)
def test_what_only_names_other_files_is_refused(suffix: str, words: str, tmp_path: Path) -> None:
    films.film(tmp_path / "other.mp4")
    hostile = tmp_path / f"hostile{suffix}"
    hostile.write_text(words)
    with pytest.raises(Refused):
        probe(hostile, Bounds())


def test_nothing_is_asked_of_the_network(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/a.ts"
        hostile = tmp_path / "a.mp4"
        hostile.write_text(PLAYLIST.format(address))
        with pytest.raises(Refused):
            probe(hostile, Bounds())
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize(
    "name", ["http://127.0.0.1:1/a.mp4", "concat:a.mp4|b.mp4", "subfile,,start,0,end,9,,:a.mp4"]
)
def test_no_name_is_ever_a_protocol(name: str) -> None:
    with pytest.raises(FileNotFoundError):
        probe(Path(name), Bounds())


def test_a_wrong_suffix_does_not_matter(tmp_path: Path) -> None:
    source = films.film(tmp_path / "film.mp4")
    renamed = source.rename(tmp_path / "film.txt")
    assert probe(renamed, Bounds()).picture is not None


def test_times_that_leap_are_refused(tmp_path: Path) -> None:
    source = films.film(tmp_path / "bomb.mp4", times=[0, 1, 2, 3, 4, 6 * 3600 * 10 - 1])
    with pytest.raises(Refused, match=r"lasts|leap"):
        probe(source, Bounds())


def test_what_is_too_large_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    source = films.film(tmp_path / "large.mp4", size=(640, 480), seconds=0.2, sound=None)
    with pytest.raises(Refused, match="too large"):
        probe(source, Bounds(pixels=300_000))


def test_what_lasts_too_long_is_refused(tmp_path: Path) -> None:
    source = films.recording(tmp_path / "long.wav", form="wav", codec="pcm_s16le", seconds=3)
    with pytest.raises(Refused, match="lasts"):
        probe(source, Bounds(seconds=2))


def test_many_streams_are_refused(tmp_path: Path) -> None:
    source = films.film(tmp_path / "many.mp4")
    with pytest.raises(Refused, match=r"streams|read"):
        probe(source, Bounds(streams=1))


def test_pieces_are_counted(tmp_path: Path) -> None:
    source = films.film(tmp_path / "pieces.mp4")
    with pytest.raises(Refused, match="pieces"):
        probe(source, Bounds(packets=5))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_that_breaks_off_is_refused_or_played_as_far_as_it_goes(
    share: float, tmp_path: Path
) -> None:
    whole = films.film(tmp_path / "whole.mkv", form="matroska").read_bytes()
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(whole[: round(len(whole) * share)])
    out = tmp_path / "out"
    out.mkdir()
    try:
        made = encode(broken, out, Bounds(), lambda _: None)
    except Refused:
        return
    assert made.seconds <= 1.1


@given(st.binary(max_size=64))
def test_any_beginning_is_told_or_not(head: bytes) -> None:
    assert sniffed(head) is None or isinstance(sniffed(head), str)


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32), form=st.sampled_from(["mp4", "matroska"]))
def test_flipped_bits_cost_one_process_at_most(seed: int, form: str, tmp_path: Path) -> None:
    whole = tmp_path / f"whole.{form}"
    if not whole.exists():
        films.film(whole, form=form, seconds=0.5)
    content, dice = bytearray(whole.read_bytes()), random.Random(seed)  # noqa: S311
    for _ in range(dice.randint(1, 40)):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)

    async def fetch(path: Path) -> None:
        await asyncio.to_thread(path.write_bytes, bytes(content))

    async def hear(_: float) -> None:
        return

    async def attempt() -> None:
        try:
            async with encoded(fetch, hear, within=60) as result:
                assert result.encoded.seconds > 0
        except (NotOurs, studio.NotEncoded):
            return

    asyncio.run(attempt())
