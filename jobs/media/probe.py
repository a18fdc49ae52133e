"""Looks at all of a file before anything is made of it, and believes no header.

Every packet is read, every sound heard, the first frame of the picture seen; so length, rate and
loudness are what is there. Whatever leaps, swells or never ends is refused here.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from msgspec.structs import replace

from jobs.media import captions
from jobs.media.model import Bounds, Captions, Found, Picture, Refused
from jobs.media.opening import guard, opened
from jobs.media.plan import check_size
from jobs.media.sound import Ear, Run

_WIDE_TRANSFERS = {16, 18}
_WIDE_PRIMARIES = 9
_PLAIN_PROFILES = {"Baseline", "Constrained Baseline", "Main", "High"}
_UNEVEN_SHARE = 0.25
# As many broken packets before the first good one, and the file is given up.
_MOST_BROKEN = 500


def probe(path: Path, bounds: Bounds) -> Found:
    """Read a whole file and say what is in it.

    Raises:
        Refused: it cannot be read, or has more of something than it may.

    """
    with opened(path, bounds) as container:
        stated = (container.duration or 0) / av.time_base
        if stated > bounds.seconds:
            raise Refused(f"It lasts {stated:.0f} s; up to {bounds.seconds:.0f} s are taken.")
        return _Look(container, bounds).found()


def chosen(container: Any) -> tuple[Any | None, Any | None]:
    """Give the picture and the sound that are played: the first of each that is not a cover."""
    pictures = [each for each in container.streams.video if not is_cover(each)]
    sounds = container.streams.audio
    return (
        next((each for each in pictures if each.codec_context is not None), None),
        next((each for each in sounds if each.codec_context is not None), None),
    )


def is_cover(stream: Any) -> bool:
    """Say whether a stream is a still picture that belongs to a sound."""
    return bool(stream.disposition & Disposition.attached_pic)


def frames_of(packet: Any) -> Iterator[Any]:
    """Decode a packet; what is broken in it is left out."""
    try:
        yield from packet.decode()
    except av.error.InvalidDataError:
        return


def packets_of(container: Any, streams: list[Any], bounds: Bounds) -> Iterator[Any]:
    """Read the packets of streams, up to where the file ends or breaks off.

    Raises:
        Refused: there are more than any file has.

    """
    reading = container.demux(streams)
    for _ in range(bounds.packets):
        try:
            packet = next(reading)
        except (StopIteration, av.error.EOFError, av.error.InvalidDataError):
            return
        except av.error.FFmpegError as error:
            raise Refused(f"The file breaks off: {error.strerror}.") from error
        yield packet
    raise Refused("It is made of more pieces than any film.")


def time_of(packet: Any) -> float | None:
    """Say when a packet is shown, in seconds."""
    stamp = packet.pts if packet.pts is not None else packet.dts
    return None if stamp is None or packet.time_base is None else float(stamp * packet.time_base)


class _Look:
    """One reading of a file."""

    def __init__(self, container: Any, bounds: Bounds) -> None:
        self._container, self._bounds = container, bounds
        self._video, self._audio = chosen(container)
        self._texts = captions.of(container)
        for stream in (self._video, self._audio, *self._texts):
            if stream is not None:
                guard(stream, bounds)
        if self._video is not None:
            context = self._video.codec_context
            check_size(context.width or 1, context.height or 1, bounds)
        self._frame: Any = None
        self._broken = 0
        self._shown: list[float] = []
        self._keys: list[float] = []
        self._bytes = 0
        self._heard_from: float | None = None
        self._heard_to = 0.0
        self._run: Run | None = None
        self._ear = Ear()
        self._cues = {stream.index: captions.Page(bounds) for stream in self._texts}

    def found(self) -> Found:
        streams = [each for each in (self._video, self._audio, *self._texts) if each is not None]
        if self._video is None and self._audio is None:
            raise Refused("There is no picture and no sound in this file that we can play.")
        for packet in packets_of(self._container, streams, self._bounds):
            if packet.stream is self._video:
                self._see(packet)
            elif packet.stream is self._audio:
                self._hear(packet)
            elif packet.size:
                self._cues[packet.stream.index].read(packet)
        picture = self._picture()
        # A film begins with its picture; sound that came before it is not heard.
        begins = [each for each in (self._begin, self._heard_from) if each is not None]
        zero = begins[0] if begins else 0.0
        ends = [self._heard_to] if self._heard_from is not None else []
        if picture is not None:
            ends.append(max(self._shown) + float(1 / picture.rate))
        found = Found(
            container=self._container.format.name,
            seconds=max(ends, default=zero) - zero,
            zero=zero,
            picture=picture,
            captions=self._captions(zero),
            has_cover=any(is_cover(each) for each in self._container.streams.video),
        )
        return self._with_sound(found)

    @property
    def _begin(self) -> float | None:
        return min(self._shown) if self._shown and self._frame is not None else None

    def _see(self, packet: Any) -> None:
        time = time_of(packet)
        if time is not None and packet.size:
            self._shown.append(time)
            self._bytes += packet.size
            if packet.is_keyframe:
                self._keys.append(time)
        if self._frame is None and self._broken < _MOST_BROKEN:
            self._frame = next(frames_of(packet), None)
            self._broken += 1

    def _hear(self, packet: Any) -> None:
        for frame in frames_of(packet):
            time = None if frame.pts is None else float(frame.pts * frame.time_base)
            if self._run is None:
                self._heard_from = time or 0.0
                self._run = Run(self._heard_from, self._bounds)
            for samples in self._run.take(frame):
                self._ear.hear(samples)
            self._heard_to = (self._heard_from or 0.0) + self._run.done / 48_000

    def _with_sound(self, found: Found) -> Found:
        if self._run is None or self._audio is None:
            return found
        for samples in self._run.rest():
            self._ear.hear(samples)
        context = self._audio.codec_context
        sound = self._ear.heard(context.name, context.channels or 1, context.sample_rate or 0)
        return replace(found, sound=sound, peaks=self._ear.peaks())

    def _captions(self, zero: float) -> tuple[Captions, ...]:
        pages = [
            Captions(captions.language_of(stream), self._cues[stream.index].cues(zero))
            for stream in self._texts
        ]
        return tuple(each for each in pages if each.cues)

    def _picture(self) -> Picture | None:
        frame, stream = self._frame, self._video
        if frame is None or stream is None or not self._shown:
            return None
        times = np.unique(np.array(self._shown))
        gaps = np.diff(times)
        if len(gaps) and float(gaps.max()) > self._bounds.gap_seconds:
            raise Refused("The times in the picture leap.")
        rate = _rate(stream, times, avi=self._container.format.name == "avi")
        span = max(float(times[-1] - times[0]) + float(1 / rate), 0.001)
        keys = np.unique(np.array([*self._keys, float(times[-1])]))
        context = stream.codec_context
        return Picture(
            codec=str(context.name),
            pixel_format=frame.format.name,
            width=frame.width,
            height=frame.height,
            turns=turns_of(frame),
            pixel_aspect=_aspect(stream),
            rate_num=rate.numerator,
            rate_den=rate.denominator,
            even=len(times) == len(self._shown) and _even(gaps),
            wide_colours=is_wide(frame),
            high_profile=context.profile not in _PLAIN_PROFILES,
            level=context.level or 0,
            bits_per_second=int(self._bytes * 8 / span),
            longest_group_seconds=float(np.diff(keys).max()) if len(keys) > 1 else float(1 / rate),
        )


def turns_of(frame: Any) -> int:
    """Say by how many quarter turns clockwise a frame becomes upright."""
    return int(round(-frame.rotation / 90) % 4)


def is_wide(frame: Any) -> bool:
    """Say whether a frame has more light or colours than an ordinary screen shows."""
    return int(frame.color_trc) in _WIDE_TRANSFERS or int(frame.color_primaries) == _WIDE_PRIMARIES


def _rate(stream: Any, times: Any, *, avi: bool) -> Fraction:
    """Say how many frames come each second: as counted, in the words of the file if it is true."""
    stated = stream.average_rate
    if len(times) < 2:  # noqa: PLR2004 - one frame has no rate
        return Fraction(stated).limit_denominator(100_000) if stated else Fraction(30)
    gaps = np.diff(times)
    # Where frames are left out, the rate is that of those which are not.
    gap = float(gaps.mean()) if _even(gaps) else float(np.median(gaps))
    counted = max(Fraction(1 / max(gap, 0.001)).limit_denominator(1001), Fraction(1, 60))
    # AVI says only when frames are decoded, not when they are shown; its header knows the rate.
    if stated and (avi or abs(Fraction(stated) - counted) <= counted / 50):
        return Fraction(stated).limit_denominator(100_000)
    return counted


def _even(gaps: Any) -> bool:
    if not len(gaps):
        return True
    middle = float(np.median(gaps))
    return bool(np.all(np.abs(gaps - middle) <= max(middle * _UNEVEN_SHARE, 0.0011)))


def _aspect(stream: Any) -> int:
    aspect = stream.sample_aspect_ratio
    if not aspect or not Fraction(1, 4) <= aspect <= 4:  # noqa: PLR2004 - what is beyond is a lie
        return 1000
    return round(float(aspect) * 1000)
