"""From what was found in a file to what is made of it: arithmetic, and nothing else."""

import math
from fractions import Fraction

from jobs.media.model import Bounds, Found, Picture, Plan, Refused, Rung, Sound

# Bits for each pixel of each frame, by the shorter side: on the average, and at the most.
BITS = {
    144: (0.19, 0.32),
    240: (0.17, 0.29),
    360: (0.15, 0.26),
    480: (0.12, 0.22),
    720: (0.11, 0.19),
    1080: (0.10, 0.17),
    1440: (0.09, 0.16),
    2160: (0.08, 0.14),
}
# What is made of a large source: one for a thin connection, two for telephones, one for screens.
LADDER = (240, 480, 720, 1080)
LARGEST = LADDER[-1]
# A source this much larger than the ladder's last step below it is also kept in its own size.
_WORTH_ITS_OWN = 1.25
_FEWEST_BITS = 16_000
_MOST_RATE = 60
_LEAST_RATE = 5
_NTSC = tuple(Fraction(each * 1000, 1001) for each in (24, 30, 60))
_RATES = (*_NTSC, *(Fraction(each) for each in (24, 25, 30, 50, 60)))
_NEAR = Fraction(1, 200)
_ODD_RATE_UNIT = 1000

LOUDNESS = -16.0
HIGHEST_PEAK_DB = -1.5
_MOST_GAIN = 20.0
_SILENT = -60.0

# What every player takes: to this level, with a keyframe at least so often.
_HIGHEST_LEVEL = 42
_KEPT_UP_TO = 720
_LONGEST_GROUP = 5.0
# Of other containers the packets do not say when they are shown.
_KEPT_FROM = {"mov"}


def plan(found: Found, bounds: Bounds) -> Plan:
    """Decide what to make of a file.

    Raises:
        Refused: it has nothing that can be played, or too much of something.

    """
    _check(found, bounds)
    sound = found.sound
    gain = 0.0 if sound is None else gain_of(sound)
    if found.picture is None:
        return Plan("audio", with_sound=True, gain=gain)
    picture = found.picture
    rate = even_rate(picture.rate)
    kept = found.container in _KEPT_FROM and is_kept(picture)
    if kept:
        rate = picture.rate
    return Plan(
        "video",
        rungs=(_whole(picture),) if kept else rungs(picture, rate),
        rate_num=rate.numerator,
        rate_den=rate.denominator,
        keep_picture=kept,
        with_sound=sound is not None,
        gain=gain,
    )


def rungs(picture: Picture, rate: Fraction) -> tuple[Rung, ...]:
    """Give the sizes to encode, the smallest first: none is larger than the source."""
    width, height = picture.upright
    short = min(width, height)
    names = [each for each in LADDER if each <= short]
    top = names[-1] if names else 0
    own = min(short, LARGEST)
    if own > top * _WORTH_ITS_OWN:
        names.append(own)
    return tuple(_rung(name, (width, height), rate, picture.bits_per_second) for name in names)


def bits_of(width: int, height: int, rate: Fraction, *, most: bool = False) -> int:
    """Say how many bits a second a size gets: on the average, or at the most."""
    short = min(width, height)
    step = next((each for each in BITS if each >= short), max(BITS))
    return int(width * height * rate * Fraction(BITS[step][most]).limit_denominator(100))


def even_rate(rate: Fraction) -> Fraction:
    """Give the steady rate for frames that came at about this one."""
    near = min(_RATES, key=lambda known: abs(rate - known))
    if abs(rate - near) <= near * _NEAR:
        return near
    bounded = min(Fraction(_MOST_RATE), max(Fraction(_LEAST_RATE), rate))
    return Fraction(round(bounded * _ODD_RATE_UNIT), _ODD_RATE_UNIT)


def gain_of(sound: Sound) -> float:
    """Say how much louder a sound is made: to the loudness of all, and with no peak cut off."""
    if sound.loudness <= _SILENT:
        return 0.0
    wanted = min(LOUDNESS - sound.loudness, _MOST_GAIN)
    if sound.true_peak > 0:
        wanted = min(wanted, HIGHEST_PEAK_DB - 20 * math.log10(sound.true_peak))
    return round(wanted, 2)


def is_kept(picture: Picture) -> bool:
    """Say whether a picture is what we would make ourselves, so that its packets are kept."""
    plain = (
        picture.codec == "h264"
        and picture.pixel_format == "yuv420p"
        and not picture.high_profile
        and not picture.wide_colours
        and 0 < picture.level <= _HIGHEST_LEVEL
    )
    upright = picture.turns == 0 and picture.pixel_aspect == 1000  # noqa: PLR2004 - square
    steady = (
        picture.even
        and _LEAST_RATE <= picture.rate <= _MOST_RATE
        and 0 < picture.longest_group_seconds <= _LONGEST_GROUP
    )
    most = bits_of(picture.width, picture.height, picture.rate, most=True)
    small = (
        min(picture.width, picture.height) <= _KEPT_UP_TO
        and picture.width % 2 == picture.height % 2 == 0
        and 0 < picture.bits_per_second <= most
    )
    return plain and upright and steady and small


def _whole(picture: Picture) -> Rung:
    short = min(picture.width, picture.height)
    return Rung(short, picture.width, picture.height, picture.bits_per_second)


def _rung(name: int, whole: tuple[int, int], rate: Fraction, source_bits: int) -> Rung:
    share = name / min(whole)
    width, height = (max(2, round(side * share / 2) * 2) for side in whole)
    bits = bits_of(width, height, rate)
    if source_bits:
        bits = min(bits, source_bits)
    return Rung(name, width, height, max(_FEWEST_BITS, bits))


def _check(found: Found, bounds: Bounds) -> None:
    if found.picture is None and found.sound is None:
        raise Refused("There is no picture and no sound in this file that we can play.")
    if not 0 < found.seconds <= bounds.seconds:
        raise Refused(
            f"It lasts {found.seconds:.0f} s; up to {bounds.seconds:.0f} s are taken."
            if found.seconds > 0
            else "It has no length."
        )
    if found.picture is not None:
        check_size(*found.picture.upright, bounds)


def check_size(width: int, height: int, bounds: Bounds) -> None:
    """Refuse a picture that is too large, too small, or hardly more than a line.

    Raises:
        Refused: it is.

    """
    short, long = sorted((width, height))
    if long > bounds.side or short * long > bounds.pixels:
        raise Refused(f"The picture is too large: {width} x {height}.")
    if short < bounds.smallest_side or long > short * bounds.stretch:
        raise Refused(f"The picture has sides that no screen shows: {width} x {height}.")
