"""What is made of what was found: arithmetic."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jobs.media.model import Bounds, Found, Picture, Refused, Sound
from jobs.media.plan import HIGHEST_PEAK_DB, LOUDNESS, bits_of, even_rate, gain_of, plan, rungs

GOOD = Picture(
    codec="h264",
    pixel_format="yuv420p",
    width=1280,
    height=720,
    level=31,
    bits_per_second=1_500_000,
    longest_group_seconds=2.0,
)


def found(picture: Picture | None = GOOD, **more: Any) -> Found:
    return Found(**{"container": "mov", "seconds": 10.0, "picture": picture, **more})


def test_what_is_as_it_should_be_is_kept() -> None:
    planned = plan(found(), Bounds())
    assert planned.keep_picture
    assert [(each.width, each.height) for each in planned.rungs] == [(1280, 720)]


@pytest.mark.parametrize(
    "odd",
    [
        {"codec": "hevc"},
        {"pixel_format": "yuv420p10le"},
        {"pixel_format": "yuv444p"},
        {"turns": 1},
        {"pixel_aspect": 1333},
        {"even": False},
        {"wide_colours": True},
        {"high_profile": True},
        {"level": 52},
        {"bits_per_second": 40_000_000},
        {"longest_group_seconds": 12.0},
        {"rate_num": 240},
        {"height": 1080, "width": 1920},
        {"width": 1279},
    ],
)
def test_what_differs_in_anything_is_encoded_anew(odd: dict[str, Any]) -> None:
    assert not plan(found(replace(GOOD, **odd)), Bounds()).keep_picture


@pytest.mark.parametrize(
    ("size", "names"),
    [
        ((1920, 1080), [240, 480, 720, 1080]),
        ((1080, 1920), [240, 480, 720, 1080]),
        ((3840, 2160), [240, 480, 720, 1080]),
        ((720, 1280), [240, 480, 720]),
        ((854, 480), [240, 480]),
        ((1600, 900), [240, 480, 720]),
        ((1600, 950), [240, 480, 720, 950]),
        ((320, 180), [180]),
        ((64, 64), [64]),
    ],
)
def test_the_ladder_ends_at_the_source(size: tuple[int, int], names: list[int]) -> None:
    width, height = size
    picture = replace(GOOD, width=width, height=height, bits_per_second=0)
    made = rungs(picture, Fraction(30))
    assert [each.name for each in made] == names
    for each in made:
        assert each.width % 2 == each.height % 2 == 0
        assert each.width <= width + 1
        assert each.bits_per_second == bits_of(each.width, each.height, Fraction(30))


def test_a_film_that_lies_on_its_side_is_measured_upright() -> None:
    made = rungs(replace(GOOD, width=1920, height=1080, turns=3), Fraction(30))
    assert [(each.width, each.height) for each in made][-1] == (1080, 1920)


def test_bits_are_by_pixels_and_rate() -> None:
    assert bits_of(1920, 1080, Fraction(30)) == 6_220_800
    assert bits_of(1280, 720, Fraction(30)) == 3_041_280
    assert bits_of(1280, 720, Fraction(30), most=True) == 5_253_120


@given(st.integers(16, 8192), st.integers(16, 4000), st.integers(0, 3), st.integers(20_000, 10**8))
def test_no_rung_is_larger_or_takes_more_than_the_source(
    width: int, height: int, turns: int, bits: int
) -> None:
    picture = replace(GOOD, width=width, height=height, turns=turns, bits_per_second=bits)
    made = rungs(picture, Fraction(30))
    whole = picture.upright
    assert made
    for each in made:
        assert each.bits_per_second <= bits
        assert each.width <= whole[0] + 1
        assert each.height <= whole[1] + 1
    assert sorted(each.name for each in made) == [each.name for each in made]


@pytest.mark.parametrize(
    ("came", "goes"),
    [
        (Fraction(369000, 13657), Fraction(27019, 1000)),
        (Fraction(2997, 100), Fraction(30000, 1001)),
        (Fraction(45000, 1499), Fraction(30)),
        (Fraction(240), Fraction(60)),
        (Fraction(90000), Fraction(60)),
        (Fraction(1, 10), Fraction(5)),
    ],
)
def test_odd_rates_are_tamed(came: Fraction, goes: Fraction) -> None:
    assert even_rate(came) == goes


def test_a_sound_is_made_as_loud_as_all_and_never_cut_off() -> None:
    assert gain_of(Sound("aac", 2, 48_000, loudness=-26.0, true_peak=0.1)) == 10.0
    assert gain_of(Sound("aac", 2, 48_000, loudness=-10.0, true_peak=0.9)) == LOUDNESS + 10
    assert gain_of(Sound("aac", 2, 48_000, loudness=-30.0, true_peak=1.0)) == HIGHEST_PEAK_DB
    assert gain_of(Sound("aac", 2, 48_000)) == 0.0


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        (found(None), "no picture and no sound"),
        (found(seconds=0.0), "no length"),
        (found(seconds=99_999.0), "lasts"),
        (found(replace(GOOD, width=16_384, height=8704)), "too large"),
        (found(replace(GOOD, width=8192, height=8192)), "too large"),
        (found(replace(GOOD, width=4, height=4)), "no screen"),
        (found(replace(GOOD, width=2000, height=20)), "no screen"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(odd: Found, says: str) -> None:
    with pytest.raises(Refused, match=says):
        plan(odd, Bounds())
