"""What is found in a file, what is made of it, and the bounds of both."""

from fractions import Fraction
from typing import Literal, TypeAlias

from msgspec import Struct

Kind: TypeAlias = Literal["video", "audio"]


class Refused(Exception):
    """The file is not one that we encode; the sentence is for its owner."""


class Bounds(Struct, frozen=True):
    """How much of anything a file may hold."""

    seconds: float = 4 * 3600.0
    pixels: int = 36_000_000
    side: int = 8192
    smallest_side: int = 16
    # A side may be so many times the other.
    stretch: int = 20
    streams: int = 32
    packets: int = 8_000_000
    # A picture or a sound may leave so much time before the next one.
    gap_seconds: float = 60.0
    cues: int = 20_000


class Picture(Struct, frozen=True):
    """The moving picture of a file; sides are as stored, before it is turned."""

    codec: str
    pixel_format: str
    width: int
    height: int
    # Quarter turns clockwise until it is upright.
    turns: int = 0
    # How wide a pixel is against its height, in thousandths.
    pixel_aspect: int = 1000
    rate_num: int = 30
    rate_den: int = 1
    # Whether the frames come evenly, and so may be kept as they are.
    even: bool = True
    wide_colours: bool = False
    high_profile: bool = False
    level: int = 0
    bits_per_second: int = 0
    longest_group_seconds: float = 0.0

    @property
    def rate(self) -> Fraction:
        """Frames each second."""
        return Fraction(self.rate_num, self.rate_den)

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as they are to be seen: pixels square, turned upright."""
        width = max(1, round(self.width * self.pixel_aspect / 1000))
        return (self.height, width) if self.turns % 2 else (width, self.height)


class Sound(Struct, frozen=True):
    """The sound of a file, and how loud it was when it was listened to."""

    codec: str
    channels: int
    sample_rate: int
    # LUFS over all of it, and the highest true peak as a share of full scale.
    loudness: float = -70.0
    true_peak: float = 0.0


class Cue(Struct, frozen=True):
    """A line of a caption, and from when to when it is on the screen."""

    begin: float
    end: float
    text: str


class Captions(Struct, frozen=True):
    """The text of one subtitle stream."""

    language: str
    cues: tuple[Cue, ...]


class Found(Struct, frozen=True):
    """All that was found in a file."""

    container: str
    seconds: float
    # The time in the file that is the beginning of the film.
    zero: float = 0.0
    picture: Picture | None = None
    sound: Sound | None = None
    captions: tuple[Captions, ...] = ()
    # The loudest of each part of the sound, from 0 to 255.
    peaks: tuple[int, ...] = ()
    has_cover: bool = False


class Rung(Struct, frozen=True):
    """One size of the ladder; its name is that of its shorter side."""

    name: int
    width: int
    height: int
    bits_per_second: int


class Plan(Struct, frozen=True):
    """What is to be made of a file."""

    kind: Kind
    rungs: tuple[Rung, ...] = ()
    rate_num: int = 30
    rate_den: int = 1
    # The picture is as it should be already: its packets are kept.
    keep_picture: bool = False
    with_sound: bool = False
    # By how many decibels the sound is made louder.
    gain: float = 0.0

    @property
    def rate(self) -> Fraction:
        """Frames each second of every rung."""
        return Fraction(self.rate_num, self.rate_den)

    @property
    def group(self) -> int:
        """Frames from one keyframe to the next: two seconds, the same for every rung."""
        return max(1, round(2 * self.rate))


class Rendition(Struct, frozen=True):
    """One size as it was made; the names are those of its files."""

    name: int
    width: int
    height: int
    bytes: int
    seconds: float
    frames: int
    rate: float
    codecs: str
    # Of the segment that takes most, as a playlist has to say.
    peak_bits_per_second: int
    film: str
    playlist: str
    parts: str


class Spoken(Struct, frozen=True):
    """A file of captions and its language."""

    language: str
    name: str


class Encoded(Struct, frozen=True, kw_only=True):
    """What was made of a file; names are those of files in the folder."""

    kind: Kind
    seconds: float
    width: int = 0
    height: int = 0
    renditions: tuple[Rendition, ...] = ()
    master: str | None = None
    sound: str | None = None
    poster: str | None = None
    small_poster: str | None = None
    storyboard: str | None = None
    storyboard_index: str | None = None
    waveform: str | None = None
    captions: tuple[Spoken, ...] = ()
    kept_picture: bool = False
    loudness: float | None = None
    gain: float = 0.0

    @property
    def files(self) -> tuple[str, ...]:
        """Name every file that was made."""
        stills = (self.poster, self.small_poster, self.storyboard, self.storyboard_index)
        single = (self.master, self.sound, self.waveform, *stills)
        parts = [name for r in self.renditions for name in (r.film, r.playlist, r.parts)]
        spoken = [each.name for each in self.captions]
        return tuple(each for each in (*single, *parts, *spoken) if each is not None)
